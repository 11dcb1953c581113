//! Destroying what opens the commitments of a request.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::seal::sealed_away;
use super::stage::Stage;
use super::{Reply, store_error};
use crate::clock::Timestamp;
use crate::error::ApprovalError;
use crate::id::RequestId;
use crate::lifecycle::{Command, EraseFacts, RequestState};
use crate::sealed::param_name;

impl Engine {
    /// Stages the record and the deletion together: a crash leaves both or neither.
    pub(super) fn erase(
        &mut self,
        stage: &mut Stage,
        request: RequestId,
        authority: RequestId,
        now: Timestamp,
    ) -> Reply {
        let state = self.known(stage, authority)?.map(|known| known.state);
        let opened = match &state {
            // The id of the target goes on record, so that an auditor sees that exactly this was
            // approved; it says nothing of anybody.
            Some(state) => self.opened_params(state, &["request"])?,
            None => Vec::new(),
        };
        let wish = EraseFacts::new(
            request,
            state,
            self.boot,
            opened.into_iter().next().unwrap_or_default(),
        );
        let command = Command::Erase(Box::new(wish));
        let answer = self.command(stage, &command, Vec::new(), now)?;
        if answer.refusal.is_none() {
            stage.batch.erased.push(request);
        }
        Ok(answer)
    }

    /// Makes the store overwrite what it still has of what was erased.
    pub(super) fn scrub(&mut self, at_most: Duration) -> Result<(), ApprovalError> {
        self.running()?;
        let scrubbed = self.store.scrub(at_most);
        scrubbed.map_err(|error| self.failed(&error))
    }

    /// What opens these parameters of an authority, as far as they are shown.
    pub(super) fn opened_params(
        &mut self,
        authority: &Arc<RequestState>,
        names: &[&str],
    ) -> Result<Vec<String>, ApprovalError> {
        let id = authority.id();
        let envelope = self.store.disclosures(id).map_err(store_error)?;
        let opened = self.vault.open(id, &envelope);
        let opened = opened.map_err(|error| sealed_away(id, &error))?;
        let names: Vec<String> = names.iter().map(|name| param_name(name)).collect();
        let wanted = opened.into_iter().filter(|disclosure| {
            let open = disclosure.open();
            open.is_some_and(|(_, name, _)| names.contains(&name))
        });
        Ok(wanted.map(|disclosure| disclosure.text).collect())
    }
}
