#![allow(clippy::unwrap_used)]
use super::*;

fn named(names: &[&str]) -> Vec<FieldInfo> {
    names.iter().map(|name| FieldInfo::named(name)).collect()
}

fn with_samples(name: &str, samples: &[&str]) -> FieldInfo {
    FieldInfo::with_values(name, samples.iter().map(|value| Some(*value)))
}

fn best<'a>(found: &'a [Suggestion], to: &str) -> Option<&'a Suggestion> {
    found.iter().find(|item| item.to == to && item.rank == 1)
}

fn rules(found: &[Suggestion], to: &str) -> Vec<String> {
    best(found, to).unwrap().transform.as_ref().unwrap().rules()
}

#[test]
fn the_usual_names_find_each_other() {
    let source = named(&["CONTACT_ID", "FIRST_NM", "LAST_NM", "EMAIL_ADDR", "TEL_NO", "CUST_ZIP", "OPP_AMT", "FAX"]);
    let target = named(&["Zip Code", "amount", "email", "firstName", "phone", "Surname", "favourite_colour"]);
    let found = suggest(&source, &target);
    for (to, from) in [
        ("Zip Code", "CUST_ZIP"),
        ("amount", "OPP_AMT"),
        ("email", "EMAIL_ADDR"),
        ("firstName", "FIRST_NM"),
        ("phone", "TEL_NO"),
        ("Surname", "LAST_NM"),
    ] {
        assert_eq!(best(&found, to).map(|item| item.from.as_str()), Some(from), "{to}");
    }
    assert!(best(&found, "favourite_colour").is_none());
}

#[test]
fn each_source_is_assigned_once_and_ranks_count_up() {
    let source = named(&["email", "email2", "phone"]);
    let target = named(&["email_address", "mail", "other email"]);
    let found = suggest(&source, &target);
    let mut assigned: Vec<&str> = found.iter().filter(|item| item.rank == 1).map(|item| item.from.as_str()).collect();
    let all = assigned.len();
    assigned.sort_unstable();
    assigned.dedup();
    assert_eq!(assigned.len(), all);
    for to in ["email_address", "mail", "other email"] {
        let ranks: Vec<usize> = found.iter().filter(|item| item.to == to).map(|item| item.rank).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
    }
    assert!(found.iter().all(|item| item.score >= THRESHOLD && !item.reasons.is_empty()));
}

#[test]
fn labels_and_types_count() {
    let source = vec![FieldInfo { label: Some("Close Date".into()), ..FieldInfo::named("fld_0017") }];
    let target = named(&["fld_0018", "closing_date"]);
    assert_eq!(best(&suggest(&source, &target), "closing_date").unwrap().from, "fld_0017");
    let typed = |name: &str, kind: &str| FieldInfo { kind: Some(kind.into()), ..FieldInfo::named(name) };
    let alike = suggest(&[typed("closed", "DATE")], &[typed("closed", "date")])[0].score;
    let apart = suggest(&[typed("closed", "DATE")], &[typed("closed", "boolean")])[0].score;
    assert!(alike >= 0.9 && apart < 0.9, "{alike} {apart}");
}

#[test]
fn values_decide_where_names_say_nothing() {
    let cities = ["Bonn", "Rome", "Oslo", "Bern", "Kyiv", "Riga"];
    let colours = ["red", "blue", "green", "black", "white", "grey"];
    let found = suggest(
        &[with_samples("col_a", &cities), with_samples("col_b", &colours)],
        &[with_samples("x1", &colours), with_samples("x2", &cities)],
    );
    assert_eq!(best(&found, "x2").unwrap().from, "col_a");
    assert_eq!(best(&found, "x1").unwrap().from, "col_b");
    let right = suggest(&[with_samples("mail", &["a@example.com"])], &named(&["email"]))[0].score;
    let wrong = suggest(&[with_samples("mail", &["https://example.com"])], &named(&["email"]));
    assert!(right > 0.9 && wrong.iter().all(|item| item.score < 0.6), "{right} {wrong:?}");
}

#[test]
fn where_values_are_the_same_in_several_columns_names_decide() {
    let keys: Vec<String> = (0..40).map(|n| format!("K-{n:04}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let names = ["visit_code_1", "visit_code_2", "visit_code_3", "visit_code_4"];
    let source: Vec<FieldInfo> = names.iter().map(|name| with_samples(name, &keys)).collect();
    let target: Vec<FieldInfo> =
        names.iter().rev().map(|name| with_samples(&name.to_uppercase().replace('_', ""), &keys)).collect();
    let found = suggest(&source, &target);
    for name in names {
        let to = name.to_uppercase().replace('_', "");
        assert_eq!(best(&found, &to).map(|item| item.from.as_str()), Some(name));
    }
}

#[test]
fn cleaning_fits_the_field_and_can_be_built() {
    let source = [
        with_samples("MAIL", &[" A@example.com"]),
        with_samples("BORN", &["31/12/1980"]),
        with_samples("Town", &[" x "]),
    ];
    let found = suggest(&source, &named(&["email", "birthday", "city"]));
    assert_eq!(rules(&found, "email"), ["trim", "lower", "email"]);
    assert_eq!(rules(&found, "birthday"), ["trim", "date = [\"%d/%m/%Y\"]"]);
    assert_eq!(rules(&found, "city"), ["trim"]);
}

#[test]
fn the_order_of_the_source_does_not_matter_and_nothing_gives_nothing() {
    let (mut source, target) = (named(&["tel", "fax", "mobile no"]), named(&["Phone", "Fax Number", "Cell"]));
    let pairs = |source: &[FieldInfo]| {
        let mut pairs: Vec<_> =
            suggest(source, &target).into_iter().map(|item| (item.to, item.from, item.rank)).collect();
        pairs.sort();
        pairs
    };
    let one = pairs(&source);
    source.reverse();
    assert_eq!(one, pairs(&source));
    assert!(suggest(&[], &target).is_empty());
    assert!(suggest(&source, &[]).is_empty());
}

fn assigned(source: &[&str], target: &[&str]) -> Vec<(String, String)> {
    let found = suggest(&named(source), &named(target));
    let mut pairs: Vec<_> = found.into_iter().filter(|item| item.rank == 1).map(|item| (item.from, item.to)).collect();
    pairs.sort();
    pairs
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = list.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    pairs.sort();
    pairs
}

#[test]
fn first_and_second_address_keep_apart_whatever_they_are_called() {
    let found = assigned(
        &["Home City", "Home Zip", "Business City", "Business Zip"],
        &["primary_address_city", "alt_address_city", "alt_address_postalcode", "primary_address_postalcode"],
    );
    let expected = [
        ("Home City", "alt_address_city"),
        ("Home Zip", "alt_address_postalcode"),
        ("Business City", "primary_address_city"),
        ("Business Zip", "primary_address_postalcode"),
    ];
    assert_eq!(found, pairs(&expected));
    // A city alone is that of the first address, and is rather left open than taken for the other.
    assert_eq!(assigned(&["City"], &["BillingCity", "ShippingCity"]), pairs(&[("City", "BillingCity")]));
    let taken = assigned(&["City", "Billing City"], &["BillingCity", "ShippingCity"]);
    assert_eq!(taken, pairs(&[("Billing City", "BillingCity")]));
}

#[test]
fn what_is_worked_out_from_other_records_is_filled_by_nothing_plain() {
    assert!(assigned(&["deal_amount"], &["recent_deal_amount", "average_deal_amount"]).is_empty());
    let both = assigned(&["recent_deal_amount"], &["recent_deal_amount__c", "deal_amount"]);
    assert_eq!(both, pairs(&[("recent_deal_amount", "recent_deal_amount__c")]));
    // Near in meaning and nothing more is left open: two of three such pairs are wrong.
    assert!(assigned(&["monetary_value"], &["annualrevenue"]).is_empty());
}

#[test]
fn a_template_tells_what_a_field_means_whatever_it_is_called() {
    let zoho =
        ["Account_Name", "Billing_Street", "Billing_Code", "Billing_City", "Billing_Country", "SIC_Code", "Closing"];
    let found = suggest(&named(&zoho), &named(&["zip", "city", "country", "industry"]));
    let item = best(&found, "zip").unwrap();
    assert_eq!(item.from, "Billing_Code");
    assert!(item.evidence.iter().any(|one| one.kind == EvidenceKind::Template), "{item:?}");
}

#[test]
fn what_was_confirmed_comes_first_and_what_was_refused_never_again() {
    let (source, target) = (Side::of(named(&["FAX", "TEL", "X7"])), Side::of(named(&["phone", "favourite"])));
    let memory = Memory {
        confirmed: [("X7".to_owned(), vec!["favourite".to_owned()])].into(),
        refused: [("TEL".to_owned(), vec!["phone".to_owned()])].into(),
        ..Memory::default()
    };
    let knowledge = Knowledge { remembered: memory.remembered(), ..Knowledge::default() };
    let found = propose(&source, &target, &knowledge);
    assert_eq!(best(&found, "favourite").map(|item| (item.from.as_str(), item.score)), Some(("X7", 0.99)));
    assert!(found.iter().all(|item| item.from != "TEL"), "{found:?}");
    let own = Memory { same: [("phone".to_owned(), vec!["X7".to_owned()])].into(), ..Memory::default() };
    let knowledge = Knowledge { vocabulary: own.vocabulary().map(Arc::new), ..Knowledge::default() };
    let found = propose(&Side::of(named(&["X7"])), &target, &knowledge);
    assert!(best(&found, "phone").is_some_and(|item| item.score >= 0.9), "{found:?}");
}

#[test]
fn ids_and_names_of_the_records_themselves_find_each_other() {
    let found =
        assigned(&["id", "owner_id", "title"], &["opportunityid", "accountid", "_ownerid_value", "name", "masterid"]);
    assert_eq!(found, pairs(&[("id", "opportunityid"), ("owner_id", "_ownerid_value"), ("title", "name")]));
    // People are called by first and last name: the company is another thing.
    let found = assigned(&["Company", "Surname"], &["name", "last_name", "account_name"]);
    assert_eq!(found, pairs(&[("Company", "account_name"), ("Surname", "last_name")]));
    assert_eq!(assigned(&["Account Name"], &["name", "phone"]), pairs(&[("Account Name", "name")]));
}

#[test]
fn names_without_borders_are_cut_where_words_end() {
    let found = assigned(
        &["Created Time", "update_time", "Start DateTime", "All_day"],
        &["createdon", "modifiedon", "scheduledstart", "scheduledend", "isalldayevent"],
    );
    let expected = [
        ("Created Time", "createdon"),
        ("update_time", "modifiedon"),
        ("Start DateTime", "scheduledstart"),
        ("All_day", "isalldayevent"),
    ];
    assert_eq!(found, pairs(&expected));
}

#[test]
fn names_say_whose_record_they_name_and_what_is_of_a_person() {
    for (column, object) in
        [("account_id", "accounts"), ("CompanyId", "company"), ("company_id", "companies"), ("product", "products")]
    {
        assert!(names_record_of(column, object), "{column} {object}");
    }
    for (column, object) in [("account_name", "accounts"), ("id", "accounts"), ("owner_id", "accounts")] {
        assert!(!names_record_of(column, object), "{column} {object}");
    }
    for name in ["EMAIL_ADDR", "PHONE1", "mobile", "full_name", "LAST_NM"] {
        assert!(is_personal(name), "{name}");
    }
    for name in ["amount", "close_date", "stage", "ACCT_NO"] {
        assert!(!is_personal(name), "{name}");
    }
}
