//! Breaking the glass, and reviewing it, through the binary.

use approvals_core::{Agent, ApprovalError, Code, requires_approval};

use crate::support::{Lab, bot, check_refused, waiting, waiting_for};

#[requires_approval(scope = "iam.grant")]
async fn grant(role: String) -> Result<String, ApprovalError> {
    Ok(role)
}

fn admin() -> impl Future<Output = Result<String, ApprovalError>> {
    grant("admin".to_owned())
}

fn breaking() -> Agent {
    bot().break_glass("the directory is down")
}

#[tokio::test]
async fn threat_49_a_broken_glass_is_approved_listed_and_reviewed() {
    let lab = Lab::new();
    let gate = lab.gate().await;
    let frozen = gate.enter(bot(), admin()).await.unwrap_err();
    assert_eq!(frozen.code(), Code::Frozen);
    let listed = lab.run(&["list", "--break-glass"]).ok();
    assert_eq!(listed, "no broken glass waits for its review\n");

    let work = gate.enter(breaking(), admin());
    let (result, id) = tokio::join!(work, async {
        let id = waiting(&gate).await.to_string();
        let args = ["approve", &id, "--key", &lab.key("dana")];
        let approved = lab.beside(&args).await.ok();
        assert!(
            approved.contains("BREAK GLASS")
                && approved.contains("\"the directory is down\"  (the agent says, unverified)"),
            "{approved}"
        );
        id
    });
    assert_eq!(result.unwrap(), "admin");
    gate.flush().await.unwrap();

    let listed = lab.run(&["list", "--break-glass"]).ok();
    assert!(listed.contains(&id), "{listed}");
    let verified = lab.run(&["verify"]).ok();
    assert!(
        verified.contains(&format!("{id} broke the glass; nobody has reviewed it")),
        "{verified}"
    );
    // What is still to be reviewed must stay to be seen.
    let erase = ["erase", &id, "--basis", "art. 17", "--as", "u_alice"];
    let said = check_refused(&lab, &erase, "NotErasable", 1);
    assert!(said.contains("has ended and is reviewed"), "{said}");
    let again = gate.enter(breaking(), admin()).await.unwrap_err();
    assert_eq!(again.code(), Code::PolicyDenied);
    assert!(again.message().contains(&format!("approvals review {id}")));

    let review = |who: &str| {
        let key = lab.key(who);
        ["review", &id, "--key", &key, "--reason", "it was down"]
            .map(str::to_owned)
            .to_vec()
    };
    let refused = |who: &str, code: &str| {
        let args = review(who);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        check_refused(&lab, &args, code, 1);
    };
    refused("alice", "SelfApproval");
    refused("dana", "NotEligible");
    refused("stranger", "IdentityUnresolved");
    let args = ["review", &id, "--key", &lab.key("omar"), "--reason", " "];
    assert_eq!(lab.run(&args).code, 2);

    let args = review("omar");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = lab.run(&args).ok();
    assert!(done.contains("the review of it is open"), "{done}");
    assert!(
        done.contains("reviewed by u_omar; nothing is open"),
        "{done}"
    );
    refused("erin", "DuplicateVote");

    let listed = lab.run(&["list", "--break-glass"]).ok();
    assert_eq!(listed, "no broken glass waits for its review\n");
    let shown = lab.run(&["show", &id, "--json"]).json();
    let glass = &shown["request"]["break_glass"];
    assert_eq!(glass["reviewed_by"], "u_omar", "{shown}");
    let shown = lab.run(&["show", &id]).ok();
    for kind in ["breakglass.used", "breakglass.reviewed", "review.refused"] {
        assert!(shown.contains(kind), "{shown}");
    }
    assert!(lab.run(&["verify"]).ok().contains("PASS"));
}

/// A use that broke the glass, and that nobody has reviewed.
pub(crate) async fn broken(lab: &Lab) {
    let gate = lab.gate().await;
    let work = gate.enter(breaking(), admin());
    let (result, ()) = tokio::join!(work, async {
        let id = waiting_for(&gate, "iam.grant").await;
        let args = ["approve", &id, "--key", &lab.key("dana")];
        lab.beside(&args).await.ok();
    });
    result.unwrap();
    gate.flush().await.unwrap();
}
