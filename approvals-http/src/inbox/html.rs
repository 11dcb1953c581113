//! Text that others wrote, drawn literally.

use std::fmt::{self, Write as _};

use approvals_core::Untrusted;

/// HTML that draws a text literally: markup is escaped, and what cannot be seen is written out and
/// marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal(String);

impl Literal {
    pub(super) fn of(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            let shown = Untrusted::new(c.encode_utf8(&mut [0; 4])).to_string();
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                c if shown.starts_with(c) => html.push(c),
                _ => {
                    let _ = write!(html, "<b class=\"unseen\">{shown}</b>");
                }
            }
        }
        Self(html)
    }

    pub(super) fn untrusted(text: &Untrusted) -> Self {
        Self::of(text.raw())
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// INVARIANT: `Literal::of` has escaped every character that HTML acts on.
impl askama::filters::HtmlSafe for Literal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, html: &str) {
        assert_eq!(Literal::of(text).to_string(), html, "{text:?}");
    }

    #[test]
    fn threat_10_and_11_text_is_drawn_literally() {
        check("plain Grüße, 你好", "plain Grüße, 你好");
        check(
            "<script>alert('x')</script>&amp;",
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;",
        );
        check("\"onload=", "&quot;onload=");
        check("a\u{202e}b", "a<b class=\"unseen\">\\u{202e}</b>b");
        check(
            "\u{1b}[2K\r",
            "<b class=\"unseen\">\\u{1b}</b>[2K<b class=\"unseen\">\\u{d}</b>",
        );
        check("\u{e0041}", "<b class=\"unseen\">\\u{e0041}</b>");
    }
}
