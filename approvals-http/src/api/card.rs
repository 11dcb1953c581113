//! One request as people see it.

use approvals_core::ledger::AuditRecord;
use approvals_core::ports::RequestRow;
use approvals_core::request::Progress;
use approvals_core::{Card, Status, Untrusted, Vote};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::Moment;

/// One request in a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowView {
    /// The request.
    request: String,
    /// What kind of action.
    scope: String,
    /// The agent that asks.
    agent: String,
    /// Where it stands.
    status: &'static str,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    /// When its present state runs out.
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Moment>,
    /// Whether its use broke the glass and waits for its review.
    unreviewed: bool,
}

impl From<&RequestRow> for RowView {
    fn from(row: &RequestRow) -> Self {
        Self {
            request: row.id.to_string(),
            scope: row.scope.to_string(),
            agent: row.agent.to_string(),
            status: row.status.as_str(),
            created_at: Moment(row.created_at),
            deadline: row.deadline.map(Moment),
            unreviewed: row.unreviewed,
        }
    }
}

/// One request, whole. What the agent says of itself stands under `claims`, and nobody has verified
/// it; every text is to be drawn literally.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CardView {
    /// The request.
    request: String,
    /// Where it stands.
    status: &'static str,
    /// What kind of action.
    scope: String,
    /// The guarded function, or the tool.
    function: String,
    /// Every parameter.
    params: Vec<ParamView>,
    /// What the approval does not cover, by name.
    not_covered: Vec<String>,
    /// What is acted upon, in the author's words.
    resource: Option<String>,
    /// The author's words around the arguments.
    reason: Option<String>,
    /// Where.
    environment: Option<String>,
    /// For whom.
    tenant: Option<String>,
    /// The agent that asks, by the name its operator gave it.
    agent: String,
    /// The person it acts for.
    sponsor: Option<String>,
    /// The person who answers for it.
    owner: Option<String>,
    /// What the agent says: unverified.
    claims: ClaimsView,
    /// Why the agent breaks the glass, as it says.
    break_glass: Option<String>,
    /// What binds the action: what is signed.
    digest: String,
    /// The policy it was asked under.
    policy: String,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    /// Until when people may decide.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
    /// Until when an approval may be used.
    #[schema(value_type = Option<String>, format = DateTime)]
    approved_until: Option<Moment>,
    /// What it takes, and who counts so far.
    progress: Vec<ProgressView>,
    /// Every vote that counts.
    votes: Vec<VoteView>,
    /// Why it was denied, in that person's words.
    denial: Option<String>,
    /// The request under whose approval the values were erased.
    erased: Option<String>,
    /// What is odd about texts that the agent could influence.
    warnings: Vec<WarningView>,
    /// Everything on record about it.
    history: Vec<EventView>,
}

/// One parameter.
#[derive(Debug, Serialize, ToSchema)]
struct ParamView {
    /// Its name.
    name: String,
    /// Its canonical JSON text; none when it is redacted or erased.
    value: Option<String>,
    /// Whether nobody may see it.
    redacted: bool,
}

/// What the agent says of itself and why: unverified.
#[derive(Debug, Serialize, ToSchema)]
struct ClaimsView {
    /// Its words for why.
    rationale: Option<String>,
    /// Its software.
    software: Option<String>,
    /// Its model.
    model: Option<String>,
    /// The run it says it is in.
    run: Option<String>,
}

/// So many of one group.
#[derive(Debug, Serialize, ToSchema)]
struct ProgressView {
    /// The group.
    group: String,
    /// How many.
    need: u8,
    /// Who counts so far.
    have: Vec<String>,
}

/// One vote.
#[derive(Debug, Serialize, ToSchema)]
struct VoteView {
    /// Who.
    person: String,
    /// Which.
    vote: &'static str,
}

/// What is odd about one text.
#[derive(Debug, Serialize, ToSchema)]
struct WarningView {
    /// Which text.
    about: String,
    /// What.
    warning: String,
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    /// Its number in the log.
    pub(super) seq: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Moment,
    /// What kind.
    pub(super) kind: String,
}

impl CardView {
    pub(super) fn of(card: &Card, history: &[AuditRecord]) -> Self {
        let raw = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
        let (action, claims) = (&card.action, &card.action.claims);
        let params = card.params.iter().zip(&action.params);
        Self {
            request: card.request.to_string(),
            status: card.status.as_str(),
            scope: action.scope.to_string(),
            function: action.function.clone(),
            params: params
                .map(|(fact, bound)| ParamView {
                    name: fact.name.clone(),
                    value: raw(&fact.value),
                    redacted: bound.redacted,
                })
                .collect(),
            not_covered: action.not_covered.clone(),
            resource: raw(&card.resource),
            reason: raw(&card.reason),
            environment: action.environment.clone(),
            tenant: action.tenant.clone(),
            agent: action.agent.to_string(),
            sponsor: action.sponsor.as_ref().map(ToString::to_string),
            owner: action.owner.as_ref().map(ToString::to_string),
            claims: ClaimsView {
                rationale: raw(&card.rationale),
                software: claims.software.clone(),
                model: claims.model.clone(),
                run: claims.run.clone(),
            },
            break_glass: raw(&card.break_glass),
            digest: card.digest.to_string(),
            policy: card.policy.to_string(),
            created_at: Moment(card.created_at),
            expires_at: Moment(card.expires_at),
            approved_until: card.approved_until.map(Moment),
            progress: card.progress.iter().map(ProgressView::from).collect(),
            votes: card
                .votes
                .iter()
                .map(|(person, vote)| VoteView::of(person, *vote))
                .collect(),
            denial: raw(&card.denial),
            erased: card.erased.as_ref().map(ToString::to_string),
            warnings: card
                .warnings()
                .into_iter()
                .map(|(about, warning)| WarningView {
                    about,
                    warning: warning.to_string(),
                })
                .collect(),
            history: history.iter().map(EventView::from).collect(),
        }
    }
}

impl From<&Progress> for ProgressView {
    fn from(progress: &Progress) -> Self {
        Self {
            group: progress.group.to_string(),
            need: progress.need,
            have: progress.have.iter().map(ToString::to_string).collect(),
        }
    }
}

impl VoteView {
    fn of(person: &approvals_core::PersonId, vote: Vote) -> Self {
        Self {
            person: person.to_string(),
            vote: vote.as_str(),
        }
    }
}

impl From<&AuditRecord> for EventView {
    fn from(record: &AuditRecord) -> Self {
        Self {
            seq: record.seq,
            at: Moment(record.at),
            kind: record.kind().to_owned(),
        }
    }
}

/// Where a request stands after a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TallyView {
    /// Where it stands now.
    pub(super) status: &'static str,
    /// Who counts so far.
    progress: Vec<ProgressView>,
    /// The number of the record that holds the vote.
    record: u64,
}

impl TallyView {
    pub(super) fn of(status: Status, progress: &[Progress], record: u64) -> Self {
        Self {
            status: status.as_str(),
            progress: progress.iter().map(ProgressView::from).collect(),
            record,
        }
    }
}
