//! YAML whose every value knows where it stands, read with limits.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
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
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub begin: Place,
    places: HashMap<String, Place>,
}

/// Why a file cannot be read as YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Where.
    pub place: Place,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl Document {
    /// Where the field of that path (`spec.ports[0].name`) stands, or else the nearest one around it.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        let mut path = path.replace('[', ".").replace(']', "");
        loop {
            if let Some(place) = self.places.get(&path) {
                return *place;
            }
            match path.rfind('.') {
                Some(at) => path.truncate(at),
                None => return self.begin,
            }
        }
    }

    /// Says that what stands at `from` now stands at `to`, with everything below it.
    pub fn moved(&mut self, from: &str, to: &str) {
        let below = format!("{from}.");
        let known: Vec<(String, Place)> = self
            .places
            .iter()
            .filter(|(path, _)| *path == from || path.starts_with(&below))
            .map(|(path, place)| (format!("{to}{}", &path[from.len()..]), *place))
            .collect();
        for (path, place) in known {
            self.places.entry(path).or_insert(place);
        }
    }
}

/// Reads every document of a file; empty ones are left out.
///
/// # Errors
/// [`Unreadable`] for what is no YAML, and for what goes beyond the limits.
pub fn read(text: &str) -> Result<Vec<Document>, Unreadable> {
    let options = serde_saphyr::options! {
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
    };
    let read: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| unreadable(&error))?;
    let mut documents = Vec::new();
    for node in read {
        let begin = Place::from(node.referenced);
        let mut places = HashMap::new();
        let value = node.value.place(String::new(), &mut places);
        if !value.is_null() {
            documents.push(Document { value, begin, places });
        }
    }
    Ok(documents)
}

fn unreadable(error: &serde_saphyr::Error) -> Unreadable {
    let place = error.location().map_or(Place { line: 1, column: 1 }, Place::from);
    // The first line says what is wrong; where, is said apart.
    let message = error.to_string().lines().next().unwrap_or_default().trim().to_owned();
    Unreadable { place, message }
}

/// A value, each of whose parts knows where it stands.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    /// The plain value; notes where everything below `path` stands.
    fn place(self, path: String, places: &mut HashMap<String, Place>) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let below = join(&path, &index.to_string());
                    places.insert(below.clone(), item.referenced.into());
                    values.push(item.value.place(below, places));
                }
                Value::Array(values)
            }
            Self::Fields(fields) => {
                let mut values = Map::new();
                for (key, item) in fields {
                    let below = join(&path, &key.value);
                    // Where the key stands is where a person looks.
                    places.insert(below.clone(), key.referenced.into());
                    let value = item.value.place(below, places);
                    values.insert(key.value, value);
                }
                Value::Object(values)
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

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
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
