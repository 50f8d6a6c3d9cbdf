//! Beginning a mapping: from which object, to which.
use crate::app::msg::{Lane, PlatformObjects, Request};
use crate::app::overlay::{Overlay, Picker, Tag};
use crate::app::shared::{Shared, Tone};

/// What was picked so far.
#[derive(Debug, Default)]
pub(super) struct Begin {
    /// Platform and object of all that there are.
    objects: Vec<(String, String)>,
    from: Option<(String, String)>,
}

impl Begin {
    /// The objects are known: from which one?
    pub(super) fn choose(&mut self, platforms: &[PlatformObjects], shared: &mut Shared) {
        self.from = None;
        self.objects.clear();
        for platform in platforms {
            for object in platform.objects.iter().flatten() {
                self.objects.push((platform.platform.clone(), object.name.clone()));
            }
        }
        if self.objects.is_empty() {
            return shared.tell(Tone::Bad, "no platform of the project holds an object; the Data screen says why");
        }
        self.ask("New mapping: from which object?", "new from", shared);
    }

    fn ask(&self, title: &str, tag: &'static str, shared: &mut Shared) {
        let mapped = |object: &(String, String)| {
            let name = format!("{}:{}", object.0, object.1);
            let of_name = |label: &str, to: &str| label == name || to == name;
            let drafts = shared.drafts.iter().filter_map(|draft| draft.mapping.as_ref());
            let found: Vec<&str> = drafts
                .filter(|mapping| of_name(&mapping.from.label, &mapping.to.to_string()))
                .map(|mapping| mapping.name.as_str())
                .collect();
            if found.is_empty() { String::new() } else { format!("in {}", found.join(", ")) }
        };
        let items = self.left().map(|object| (format!("{}:{}", object.0, object.1), mapped(object))).collect();
        shared.open(Overlay::Pick(Picker::new(title.to_owned(), Tag::Choose(tag), items, 0)));
    }

    /// What can be picked: once the source is known, objects of the other platforms.
    fn left(&self) -> impl Iterator<Item = &(String, String)> {
        let of_source = self.from.as_ref().map(|from| from.0.clone());
        self.objects.iter().filter(move |object| of_source.as_ref() != Some(&object.0))
    }

    /// An object was picked.
    pub(super) fn picked(&mut self, item: usize, shared: &mut Shared) {
        let Some(object) = self.left().nth(item).cloned() else { return };
        match self.from.take() {
            None => {
                self.from = Some(object);
                if self.left().next().is_none() {
                    self.from = None;
                    return shared.tell(Tone::Bad, "no other platform holds an object: name one in project.toml");
                }
                self.ask("To which object?", "new to", shared);
            }
            Some(from) => {
                shared.ask(Lane::NewMapping, "looking for its key", Request::NewMapping(from, object));
            }
        }
    }
}
