//! READMEs: Markdown that strangers wrote, as HTML that a page can show.

use std::collections::HashSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// The HTML of a README: no scripts, styles, forms or frames, nothing that is fetched from elsewhere, and links that
/// tell nobody where they come from. Of a picture its description is left.
#[must_use]
pub fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Parser::new_ext(markdown, options)
        .filter(|event| !matches!(event, Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image)));
    let mut text = String::with_capacity(markdown.len() * 2);
    html::push_html(&mut text, events);
    ammonia::Builder::default()
        .rm_tags(["img", "map", "area"])
        .url_schemes(HashSet::from(["https", "http", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .clean(&text)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_readme_says_is_shown() {
        let shown =
            html("# Tool\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] *done*, see [it](https://example.com/x)\n");
        for part in ["<h1>Tool</h1>", "<td>1</td>", "<em>done</em>", "href=\"https://example.com/x\"", "noreferrer"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn what_a_readme_could_do_is_taken_out() {
        let hostile = "<script>alert(1)</script><img src=x onerror=alert(1)><iframe src=//evil></iframe>\
            <style>*{display:none}</style><form action=//evil><input></form><a href=\"javascript:alert(1)\">j</a>\n\n\
            [x](javascript:alert(1)) ![seen](https://evil.example/pixel.png) <svg onload=alert(1)>\n\n<p onclick=alert(1)>p";
        let shown = html(hostile);
        for part in ["script", "onerror", "onclick", "onload", "<img", "<iframe", "<style", "<form", "evil", "<svg"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.contains("seen") && shown.contains(">p"), "{shown}");
    }
}
