//! `approvals migrate`: the tables of a database that several machines share.

use serde_json::json;

use crate::answer::Answer;
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

pub(crate) fn run(cli: &Cli, roles: bool) -> Result<Answer, Failure> {
    if roles {
        return sql();
    }
    let url = state::store(cli)?;
    url.migrate()?;
    let text = format!("`{url}` has the newest tables\n");
    Ok(Answer::new(text, json!({ "store": url.to_string() })))
}

#[cfg(feature = "postgres")]
fn sql() -> Result<Answer, Failure> {
    let sql = approvals_store::postgres::ROLES;
    Ok(Answer::new(sql.to_owned(), json!({ "sql": sql })))
}

#[cfg(not(feature = "postgres"))]
fn sql() -> Result<Answer, Failure> {
    let message = "this command is built without PostgreSQL; build it with the feature `postgres`";
    Err(Failure::usage(message))
}
