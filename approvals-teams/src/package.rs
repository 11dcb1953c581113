//! The app package: what an administrator uploads to Teams.

use std::io::{Cursor, Write as _};

use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::config::{Config, InvalidConfig};

const COLOR: &[u8] = include_bytes!("../assets/color.png");
const OUTLINE: &[u8] = include_bytes!("../assets/outline.png");

/// The package of the app, a ZIP file: it holds no secret. The same configuration gives the same
/// bytes.
///
/// # Errors
/// [`InvalidConfig`] when the listing has an address that is not `https://` or a name that is too
/// long.
pub fn package(config: &Config) -> Result<Vec<u8>, InvalidConfig> {
    let manifest = manifest(config)?;
    let broken = |error: &dyn std::fmt::Display| {
        InvalidConfig::new(format!("the package cannot be made ({error})"))
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let files = [
        ("manifest.json", manifest.as_bytes()),
        ("color.png", COLOR),
        ("outline.png", OUTLINE),
    ];
    for (name, bytes) in files {
        let plain = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, plain)
            .map_err(|error| broken(&error))?;
        zip.write_all(bytes).map_err(|error| broken(&error))?;
    }
    let bytes = zip.finish().map_err(|error| broken(&error))?;
    Ok(bytes.into_inner())
}

fn manifest(config: &Config) -> Result<String, InvalidConfig> {
    let listing = &config.listing;
    let website = &listing.website;
    let privacy = listing.privacy.as_ref().unwrap_or(website);
    let terms = listing.terms.as_ref().unwrap_or(website);
    for url in [website, privacy, terms] {
        if !url.starts_with("https://") || url.len() > 2048 {
            return Err(InvalidConfig::new(format!(
                "teams.toml: `{url}` in `listing` is no `https://` address"
            )));
        }
    }
    for (name, most) in [(&listing.name, 30), (&listing.developer, 32)] {
        if name.is_empty() || name.chars().count() > most {
            return Err(InvalidConfig::new(format!(
                "teams.toml: `{name}` in `listing` is empty or longer than {most} characters; shorten it"
            )));
        }
    }
    let manifest = json!({
        "$schema": "https://developer.microsoft.com/json-schemas/teams/v1.19/MicrosoftTeams.schema.json",
        "manifestVersion": "1.19",
        "version": env!("CARGO_PKG_VERSION"),
        "id": config.app,
        "developer": {
            "name": listing.developer, "websiteUrl": website,
            "privacyUrl": privacy, "termsOfUseUrl": terms,
        },
        "name": {"short": listing.name, "full": format!("{}: people decide what agents do", listing.name)},
        "description": {
            "short": "Approve or deny what an agent is about to do",
            "full": "Shows what an agent is about to run, from its own arguments, and takes the decision of a known person. Every step stands in a signed log.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#1B4F8F",
        "bots": [{
            "botId": config.app,
            "scopes": ["personal", "team", "groupChat"],
            "supportsFiles": false,
            "isNotificationOnly": false,
        }],
        "validDomains": [],
    });
    serde_json::to_string_pretty(&manifest).map_err(|error| InvalidConfig::new(error.to_string()))
}
