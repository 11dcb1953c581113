//! Whose account it is: workspaces, organizations, addresses.

use approvals_core::Status;
use approvals_slack::Mode;
use serde_json::{Value, json};

use crate::support::proxy::Fault;
use crate::support::{App, World, bot, drop_table, waiting};

type Change = fn(&mut Value);

/// A click that was changed on its way, with what Slack says of the account; whether it counts.
async fn check(more: &str, callback: Change, account: Change, wanted: Result<(), &str>) {
    let world = World::new(Mode::Http).await;
    let app = world.start_with(more).await;
    let (request, card) = asked(&world, &app).await;
    world
        .proxy
        .fail(move |method, _| (method == "users.info").then_some(Fault::Changed(account)));
    let mut payload = world.genuine("U02DANA", &card, "approvals.approve").await;
    callback(&mut payload);
    assert_eq!(world.send(&payload).await.0, 200);
    match wanted {
        Ok(()) => {
            world.until_card_says(request, "Approved: db.drop").await;
        }
        Err(why) => {
            world.until_told("U02DANA", why).await;
            assert_eq!(app.status(request).await, Status::Pending, "{payload}");
        }
    }
    app.end().await;
}

async fn asked(world: &World, app: &App) -> (approvals_core::RequestId, Value) {
    let call = app.gate.enter(bot(), drop_table("users".to_owned())).await;
    let request = waiting(&call.unwrap_err());
    (request, world.copy_of(request).await)
}

const ORGANIZATION: &str = "enterprise = \"E01ACME\"";

/// In an organization an account may be named by it instead of the workspace.
#[tokio::test(flavor = "multi_thread")]
async fn threat_37_accounts_of_the_own_organization_count() {
    let of_it: Change = |payload| {
        payload["user"]["team_id"] = json!("E01ACME");
        payload["enterprise"] = json!({ "id": "E01ACME", "name": "Acme" });
        payload["team"]["enterprise_id"] = json!("E01ACME");
    };
    let account: Change = |answer| answer["user"]["team_id"] = json!("E01ACME");
    check(ORGANIZATION, of_it, account, Ok(())).await;
    // Installed for all of it: no workspace is named.
    let whole: Change = |payload| {
        payload["team"] = Value::Null;
        payload["enterprise"] = json!({ "id": "E01ACME" });
        payload["is_enterprise_install"] = json!(true);
    };
    check(ORGANIZATION, whole, |_| {}, Ok(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_37_accounts_of_other_organizations_do_not() {
    let nothing: Change = |_| {};
    // Without `enterprise` in the configuration no organization is ours.
    let of_it: Change = |payload| payload["user"]["team_id"] = json!("E01ACME");
    check("", of_it, nothing, Err("another organization")).await;
    let account: Change = |answer| answer["user"]["team_id"] = json!("E01ACME");
    check("", nothing, account, Err("another organization")).await;
    let cases: &[(Change, Change, &str)] = &[
        (
            |payload| payload["enterprise"] = json!({ "id": "E09EVIL" }),
            nothing,
            "another workspace",
        ),
        (
            |payload| {
                payload["team"] = Value::Null;
                payload["enterprise"] = json!({ "id": "E09EVIL" });
            },
            nothing,
            "another workspace",
        ),
        (
            |payload| payload["user"]["team_id"] = json!("E09EVIL"),
            nothing,
            "another organization",
        ),
        (
            nothing,
            |answer| answer["user"]["team_id"] = json!("E09EVIL"),
            "another organization",
        ),
    ];
    for (callback, account, wanted) in cases {
        check(ORGANIZATION, *callback, *account, Err(wanted)).await;
    }
}

/// Grace is known by her address alone: that counts where it is switched on, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn threat_21_an_address_is_nobody_unless_that_is_switched_on() {
    for (switch, counts) in [("", false), ("email_match = true", true)] {
        let world = World::new(Mode::Http).await;
        let app = world.start_with(switch).await;
        let (request, card) = asked(&world, &app).await;
        let payload = world.genuine("U06GRACE", &card, "approvals.approve").await;
        world.send(&payload).await;
        if counts {
            world.until_card_says(request, "Approved: db.drop").await;
            let votes = app.gate.card(request).await.unwrap().votes;
            assert_eq!(votes.len(), 1);
            assert_eq!(votes[0].0.as_str(), "u_grace");
        } else {
            world.until_told("U06GRACE", "IdentityUnresolved").await;
            assert_eq!(app.status(request).await, Status::Pending);
        }
        app.end().await;
    }
}

/// With the switch on, an address that is not confirmed, or that somebody changed into another's,
/// is as good as Slack's word: the unconfirmed is refused, and the linked account wins.
#[tokio::test(flavor = "multi_thread")]
async fn threat_21_an_unconfirmed_address_is_refused_and_a_link_wins() {
    let switch = "email_match = true";
    let nothing: Change = |_| {};
    let unconfirmed: Change = |answer| answer["user"]["is_email_confirmed"] = json!(false);
    check(switch, nothing, unconfirmed, Err("not confirmed")).await;
    let world = World::new(Mode::Http).await;
    let app = world.start_with(switch).await;
    let (request, card) = asked(&world, &app).await;
    // Frank, who may not decide, takes Grace's address.
    world.proxy.fail(|method, _| {
        (method == "users.info").then_some(Fault::Changed(|answer| {
            answer["user"]["profile"]["email"] = json!("grace@example.com");
        }))
    });
    let payload = world.genuine("U05FRANK", &card, "approvals.approve").await;
    world.send(&payload).await;
    world.until_told("U05FRANK", "NotEligible").await;
    assert_eq!(app.status(request).await, Status::Pending);
    app.end().await;
}
