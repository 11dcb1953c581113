//! The history goes back page by page, as far as there is anything.

use super::support::{House, restart};

/// The link to the next page.
fn older(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("rel=\"next\" href=\"")?;
    let (link, _) = rest.split_once('"')?;
    // As a browser reads it.
    Some(link.replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn history_goes_back_page_by_page_and_finds_what_is_old() {
    let house = House::open("").await;
    let first = house.ask(restart("the-first".into())).await;
    for number in 0..104 {
        house.ask(restart(format!("service-{number}"))).await;
    }
    let cookie = house.sign_in("u_bob").await;
    for (search, rows) in [("", [100, 5]), ("?q=pending+service", [100, 5])] {
        let page = house
            .page(&format!("/inbox/history{search}"), &cookie)
            .await;
        assert_eq!(page.matches("<tr><td>").count(), rows[0], "{search}");
        assert!(!page.contains(&first.to_string()));
        let link = older(&page).unwrap();
        let page = house.page(&link, &cookie).await;
        assert_eq!(page.matches("<tr><td>").count(), rows[1], "{link}");
        assert!(page.contains(&first.to_string()) && page.contains(">Newest<"));
        assert_eq!(older(&page), None);
    }
    // By its id it is found however old it is.
    let found = house
        .page(&format!("/inbox/history?q={first}"), &cookie)
        .await;
    assert_eq!(found.matches("<tr><td>").count(), 1);
    let nothing = house.page("/inbox/history?q=%3Cscript%3E", &cookie).await;
    assert!(nothing.contains("Nothing found.") && !nothing.contains("<script>\""));
}
