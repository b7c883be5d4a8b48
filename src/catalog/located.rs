//! YAML whose every value knows where it stands, read with limits.

use std::{cell::OnceCell, collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

/// Most levels of nesting.
const DEPTH: usize = 32;
/// Most values in a file.
const NODES: usize = 20_000;
/// Most aliases in a file.
const ALIASES: usize = 100;
/// Most documents in a file.
const DOCUMENTS: usize = 64;

/// A place in a file, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A document: its value, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub begin: Place,
    /// The file that it stands in, and which of those that it holds it is, the empty ones included.
    file: (&'a str, usize),
    /// What stands where another field is looked for: from, to.
    moves: Vec<(&'static str, &'static str)>,
    /// Most documents have nothing that is to be pointed at, and to know every place costs as much again as reading them.
    places: OnceCell<HashMap<String, Place>>,
}

/// Why a file cannot be read as YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Where.
    pub place: Place,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl Document<'_> {
    /// Where the field of that path (`spec.ports[0].name`) stands, or else the nearest one around it.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        let places = self.places.get_or_init(|| self.find());
        let mut path = path.replace('[', ".").replace(']', "");
        loop {
            if let Some(place) = places.get(&path) {
                return *place;
            }
            match path.rfind('.') {
                Some(at) => path.truncate(at),
                None => return self.begin,
            }
        }
    }

    /// Says that what stands at `from` now stands at `to`, with everything below it.
    pub fn moved(&mut self, from: &'static str, to: &'static str) {
        self.moves.push((from, to));
        self.places.take();
    }

    /// Where everything stands.
    fn find(&self) -> HashMap<String, Place> {
        let (text, index) = self.file;
        let mut places = HashMap::new();
        // What was read once is read again.
        let nodes: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options()).unwrap_or_default();
        if let Some(node) = nodes.into_iter().nth(index) {
            node.value.place("", &mut places);
        }
        for (from, to) in &self.moves {
            let below = format!("{from}.");
            let moved: Vec<(String, Place)> = places
                .iter()
                .filter(|(path, _)| *path == from || path.starts_with(&below))
                .map(|(path, place)| (format!("{to}{}", &path[from.len()..]), *place))
                .collect();
            for (path, place) in moved {
                places.entry(path).or_insert(place);
            }
        }
        places
    }
}

/// Reads every document of a file; empty ones are left out.
///
/// # Errors
/// [`Unreadable`] for what is no YAML, and for what goes beyond the limits.
pub fn read(text: &str) -> Result<Vec<Document<'_>>, Unreadable> {
    let read: Vec<Spanned<Value>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| unreadable(&error))?;
    let documents = read.into_iter().enumerate().filter(|(_, document)| !document.value.is_null());
    let document = |(index, document): (usize, Spanned<Value>)| Document {
        begin: document.referenced.into(),
        value: document.value,
        file: (text, index),
        moves: Vec::new(),
        places: OnceCell::new(),
    };
    Ok(documents.map(document).collect())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_nodes: NODES,
            max_events: 4 * NODES,
            max_aliases: ALIASES,
            max_anchors: ALIASES,
            max_documents: DOCUMENTS,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

fn unreadable(error: &serde_saphyr::Error) -> Unreadable {
    let place = error.location().map_or(Place { line: 1, column: 1 }, Place::from);
    // The first line says what is wrong; where, is said apart.
    let message = error.to_string().lines().next().unwrap_or_default().trim().to_owned();
    Unreadable { place, message }
}

/// The parts of a value, each of which knows where it stands.
enum Node {
    Scalar,
    List(Vec<Spanned<Node>>),
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    /// Notes where everything below `path` stands.
    fn place(self, path: &str, places: &mut HashMap<String, Place>) {
        match self {
            Self::Scalar => {}
            Self::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let below = join(path, &index.to_string());
                    let place = item.referenced.into();
                    item.value.place(&below, places);
                    places.insert(below, place);
                }
            }
            Self::Fields(fields) => {
                for (key, item) in fields {
                    let below = join(path, &key.value);
                    item.value.place(&below, places);
                    // Where the key stands is where a person looks.
                    places.insert(below, key.referenced.into());
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(field) = fields.next_entry()? {
            list.push(field);
        }
        Ok(Node::Fields(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_knows_where_it_stands() {
        let documents = read("a: 1\nspec:\n  ports:\n    - name: x\n      number: 3\n---\nb: yes please\n").unwrap();
        assert_eq!(documents.len(), 2);
        let first = &documents[0];
        assert_eq!(first.value["spec"]["ports"][0]["number"], 3);
        assert_eq!(first.place("spec.ports[0].number"), Place { line: 5, column: 7 });
        assert_eq!(first.place("spec.ports[0].missing").line, 4, "the nearest one around it");
        assert_eq!(documents[1].place("b"), Place { line: 7, column: 1 });
    }

    #[test]
    fn what_is_no_yaml_is_placed() {
        let wrong = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(wrong.place.line >= 2, "{wrong:?}");
        assert!(read("a: 1\nb: [1, 2]\nc: 3\n").is_ok());
        let twice = read("a: 1\na: 2\n").unwrap_err();
        assert_eq!(twice.place.line, 2, "{twice:?}");
    }

    #[test]
    fn deep_nesting_and_bombs_of_aliases_are_refused_and_modest_ones_read() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(10)).is_ok());
        assert!(read(&deep(10_000)).is_err());
        let blocks: Vec<String> = (0..200).map(|level| format!("{}a:", " ".repeat(level))).collect();
        assert!(read(&blocks.join("\n")).is_err());
        let bomb = |levels: usize| {
            let line = |level: usize| {
                let below = vec![if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) }; 9];
                format!("a{level}: &a{level} [{}]", below.join(", "))
            };
            (0..levels).map(line).collect::<Vec<_>>().join("\n")
        };
        assert!(read(&bomb(2)).is_ok());
        assert!(read(&bomb(9)).is_err());
    }
}
