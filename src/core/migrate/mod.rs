//! Executing a plan: batches, rejects, pre-images, publish, verify.
