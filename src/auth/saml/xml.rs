//! Reading XML that somebody sent, and writing our own.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

/// The namespaces.
pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(super) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";

/// Most bytes of a message: 256 KiB.
pub const MESSAGE_BYTES: usize = 256 << 10;
/// Most nodes of a document.
const NODES: u32 = 50_000;
/// Deepest element. Messages have about ten; what reads them later walks them recursively.
const DEPTH: usize = 32;

/// Why XML does not count.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Faulty(pub(super) Cow<'static, str>);

/// `Err` with why.
pub(super) fn faulty<T>(why: impl Into<Cow<'static, str>>) -> Result<T, Faulty> {
    Err(Faulty(why.into()))
}

/// Reads a message: well-formed XML in UTF-8 of at most [`MESSAGE_BYTES`], with nothing but elements, attributes and
/// text in it.
///
/// A DOCTYPE could declare entities, a comment splits a value for some readers and not for others, a processing
/// instruction and CDATA have no business here: all of them begin with `<!` or `<?`, which can stand nowhere else in
/// well-formed XML.
pub(super) fn message(text: &str) -> Result<Document<'_>, Faulty> {
    if text.len() > MESSAGE_BYTES {
        return faulty("it is larger than 256 KiB");
    }
    let content = after_declaration(text)?;
    if content.contains("<!") {
        return faulty("there is a DOCTYPE, a comment or CDATA in it");
    }
    if content.contains("<?") {
        return faulty("there is a processing instruction in it");
    }
    document(text)
}

/// Reads XML, which may have comments and the like.
pub(super) fn document(text: &str) -> Result<Document<'_>, Faulty> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| Faulty(format!("it is not XML as it should be: {error}").into()))?;
    let deep = |node: Node<'_, '_>| node.ancestors().take(DEPTH + 1).count() > DEPTH;
    if document.descendants().any(deep) {
        return faulty("its elements lie too deep in each other");
    }
    Ok(document)
}

/// What stands behind the XML declaration, which may name no encoding but the one in which the text is read here.
fn after_declaration(text: &str) -> Result<&str, Faulty> {
    let Some(rest) = text.strip_prefix("<?xml") else { return Ok(text) };
    let Some((declaration, content)) = rest.split_once("?>") else { return faulty("its declaration has no end") };
    let plain: String = declaration.replace('\'', "\"").split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain.to_ascii_lowercase();
    let known = ["version=\"1.0\"", "version=\"1.0\" encoding=\"utf-8\""];
    let plain =
        plain.strip_suffix(" standalone=\"yes\"").or(plain.strip_suffix(" standalone=\"no\"")).unwrap_or(&plain);
    if known.contains(&plain) { Ok(content) } else { faulty("it is written in something other than XML 1.0 and UTF-8") }
}

/// Whether `node` is the element `name` of `namespace`.
pub(super) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(namespace) && node.tag_name().name() == name
}

/// The elements directly below `node`.
pub(super) fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

/// The elements `name` of `namespace` directly below `node`.
pub(super) fn children<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| is(*child, namespace, name))
}

/// The one element of that name directly below `node`; `None` where there is none.
pub(super) fn at_most_one<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Option<Node<'a, 'input>>, Faulty> {
    let mut found = children(node, namespace, name);
    let first = found.next();
    if found.next().is_some() { faulty(format!("there is more than one {name}")) } else { Ok(first) }
}

/// The one element of that name directly below `node`.
pub(super) fn one<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'a, 'input>, Faulty> {
    at_most_one(node, namespace, name)?.ok_or_else(|| Faulty(format!("there is no {name}").into()))
}

/// The whole text of an element that holds nothing else, without the space around it; never empty.
pub(super) fn text<'a>(node: Node<'a, '_>) -> Result<&'a str, Faulty> {
    let name = node.tag_name().name();
    let mut parts = node.children();
    let text = match (parts.next(), parts.next()) {
        (Some(only), None) if only.is_text() => only.text().unwrap_or_default().trim(),
        _ => "",
    };
    if text.is_empty() { faulty(format!("{name} holds no plain text")) } else { Ok(text) }
}

/// An attribute without a namespace.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &'static str) -> Result<&'a str, Faulty> {
    let value = node.attributes().find(|attribute| attribute.namespace().is_none() && attribute.name() == name);
    value
        .map(|attribute| attribute.value())
        .ok_or_else(|| Faulty(format!("{} has no {name}", node.tag_name().name()).into()))
}

/// `text` as it can stand in an attribute or between elements.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_elements_attributes_and_text() {
        for good in [
            "<a b='&lt;c&gt;'>d &amp; e</a>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a/>",
            "<?xml version='1.0' encoding='utf-8' standalone='no' ?><a/>",
            "<?xml version=\"1.0\"?><a/>",
        ] {
            assert!(message(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "<a>",
            "<a/><b/>",
            "<a><!-- --></a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "<a>&b;</a>",
            "<a><![CDATA[b]]></a>",
            "<a><?b c?></a>",
            "<?b?><a/>",
            "<?xml version='1.1'?><a/>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "<?xml-stylesheet href='x'?><a/>",
            " <?xml version='1.0'?><a/>",
            "<a b='1' b='2'/>",
            "<a>\u{0}</a>",
        ] {
            assert!(message(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_neither_large_nor_deep() {
        let of = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
        assert!(message(&of(MESSAGE_BYTES)).is_ok());
        assert!(message(&of(MESSAGE_BYTES + 1)).is_err());
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(message(&deep(20)).is_ok());
        assert!(message(&deep(33)).is_err());
        assert!(message(&deep(30_000)).is_err());
        assert!(message(&format!("<a>{}</a>", "<b/>".repeat(60_000))).is_err());
    }

    #[test]
    fn text_is_whole_or_nothing() {
        let read = |xml: &str| document(xml).ok().and_then(|found| text(found.root_element()).map(str::to_owned).ok());
        assert_eq!(read("<a> b </a>").as_deref(), Some("b"));
        assert_eq!(read("<a>b &amp; c</a>").as_deref(), Some("b & c"));
        for odd in ["<a/>", "<a> </a>", "<a>b<c/></a>", "<a>admin<!-- -->.evil</a>"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_is_escaped_stays_text() {
        let odd = "a<b>&\"c'";
        let xml = format!("<a b=\"{0}\" c='{0}'>{0}</a>", escaped(odd));
        let document = message(&xml).unwrap();
        let root = document.root_element();
        assert_eq!((text(root).unwrap(), root.attribute("b"), root.attribute("c")), (odd, Some(odd), Some(odd)));
    }
}
