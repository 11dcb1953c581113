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
            Some(state) => self.opened_target(state)?,
            None => String::new(),
        };
        let wish = EraseFacts::new(request, state, self.boot, opened);
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

    /// What opens the parameter of the authority that names its target: it goes on record, so that
    /// an auditor sees that exactly this was approved. It is an id and says nothing of anybody.
    fn opened_target(&mut self, authority: &Arc<RequestState>) -> Result<String, ApprovalError> {
        let id = authority.id();
        let envelope = self.store.disclosures(id).map_err(store_error)?;
        let opened = self.vault.open(id, &envelope);
        let opened = opened.map_err(|error| sealed_away(id, &error))?;
        let name = param_name("request");
        let found = opened
            .into_iter()
            .find(|disclosure| disclosure.open().is_some_and(|(_, have, _)| have == name));
        Ok(found.map(|found| found.text).unwrap_or_default())
    }
}
