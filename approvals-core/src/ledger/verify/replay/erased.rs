//! Asking again whether an erasure was approved by two people, for exactly this request.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::book::{End, Known};
use super::opened::Disclosures;
use super::{Replay, Scene, unlike};
use crate::id::RequestId;
use crate::ledger::verify::report;
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{EraseFacts, Erased, Event, erasable, under_authority};

/// How many erasures a report lists.
const LISTED: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::ledger::verify) struct Erasures {
    done: BTreeSet<RequestId>,
    listed: Vec<report::Erased>,
}

impl Erasures {
    pub(super) fn into_listed(self) -> Vec<report::Erased> {
        self.listed
    }
}

impl Replay {
    /// Judges the erasure of a request that was made, whatever became of it.
    pub(super) fn erased(
        &mut self,
        known: Known,
        erased: &Erased,
        source: &mut dyn Disclosures,
        scene: &mut Scene<'_>,
    ) {
        if !self.erasures.done.insert(scene.request) {
            scene.find(Rule::Lifecycle, "what was erased before is erased again");
        }
        if let Err(message) = self.approved(erased, scene) {
            scene.find(Rule::Erasure, message);
        }
        self.missing.erased(&erased.commitments, scene.request);
        let left = source.of(scene.request).map_or(0, |kept| kept.len());
        if left > 0 {
            let message = format!("{left} values are there that this record says were erased");
            scene.find(Rule::NotErased, message);
        }
        if self.erasures.listed.len() < LISTED {
            self.erasures.listed.push(report::Erased {
                seq: scene.here.seq,
                request: scene.request,
                authority: erased.authority,
                commitments: erased.commitments.len(),
            });
        }
        self.keep_erased(known, erased, scene);
    }

    /// Whether the authority was in use for exactly this: it must be, for it is looked at as it
    /// stands at this record.
    fn approved(&self, erased: &Erased, scene: &Scene<'_>) -> Result<(), String> {
        let state = self.book.state(erased.authority).cloned().map(Arc::new);
        let facts = EraseFacts::new(scene.request, state, scene.boot, erased.opened.clone());
        let (authority, basis) = under_authority(&facts).map_err(|refusal| refusal.message)?;
        if erased.digest != authority.digest() || erased.basis != basis {
            return Err("it names another action than the one that was approved".to_owned());
        }
        Ok(())
    }

    fn keep_erased(&mut self, known: Known, erased: &Erased, scene: &mut Scene<'_>) {
        let event = Event::Erased(Box::new(erased.clone()));
        match known {
            Known::New => {}
            Known::Closed(closed) => {
                let end = closed.end();
                if end == End::Broken {
                    scene.find(Rule::Lifecycle, "what never began cannot be erased");
                }
                self.book.close(scene.request, scene.here, end);
            }
            Known::Open(mut open) => {
                open.last = scene.here;
                if let Some(expected) = open.expected.take() {
                    unlike(&expected, &event, scene);
                }
                if let Err(refusal) = erasable(&open.state) {
                    scene.find(Rule::Lifecycle, refusal.message);
                } else if let Err(error) = open.state.apply(&event) {
                    scene.find(Rule::Lifecycle, error.to_string());
                }
                self.book.keep(scene.request, open);
            }
        }
    }
}
