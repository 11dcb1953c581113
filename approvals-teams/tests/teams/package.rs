//! The app package: Microsoft's published schema and an image library take it, and notice what is
//! wrong in one.

use approvals_teams::{Config, package};

use crate::support::bot::written;
use crate::support::{SECRET, passes, script};

fn configured(listing: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    Config::parse(&written(listing, folder.path()), folder.path()).unwrap()
}

const LISTING: &str = r#"[listing]
name = "Approvals of the platform team"
developer = "Example Incorporated, Platform"
website = "https://approvals.example.com"
privacy = "https://approvals.example.com/privacy"
terms = "https://approvals.example.com/terms"
"#;

#[test]
fn a_package_is_what_microsofts_schema_takes_with_icons_of_the_right_kind() {
    let folder = tempfile::tempdir().unwrap();
    for (name, listing) in [("plain", ""), ("listed", LISTING)] {
        let config = configured(listing);
        let bytes = package(&config).unwrap();
        assert_eq!(bytes, package(&config).unwrap(), "the same bytes each time");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET), "it holds no secret");
        let path = folder.path().join(format!("{name}.zip"));
        std::fs::write(&path, bytes).unwrap();
        let schemas = "node_modules/@microsoft/app-manifest/build/json-schemas/teams";
        let mut check = approvals_peers::python();
        check
            .arg(script("package.py"))
            .arg(path)
            .arg(approvals_peers::installed(schemas));
        passes(check);
    }
}

#[test]
fn what_teams_would_not_take_makes_no_package() {
    let wrong = [
        (
            "https://approvals.example.com/privacy",
            "http://example.com",
            "`http://example.com`",
        ),
        (
            "https://approvals.example.com/terms",
            "javascript:x",
            "no `https://` address",
        ),
        (
            "Approvals of the platform team",
            "",
            "is empty or longer than 30",
        ),
        (
            "Approvals of the platform team",
            "Approvals of the platform teams",
            "longer than 30",
        ),
        (
            "Incorporated, Platform",
            "Incorporated, the platform team",
            "longer than 32",
        ),
    ];
    for (from, to, wanted) in wrong {
        assert!(LISTING.contains(from), "{from}");
        let error = package(&configured(&LISTING.replace(from, to))).unwrap_err();
        assert!(error.to_string().contains(wanted), "{to}: {error}");
    }
}
