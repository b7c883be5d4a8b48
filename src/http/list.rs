//! What every list takes (`page`, `pageSize`, `sort`, `search`) and the envelope it comes in.

use std::cmp::Ordering;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::path::{Parameter, ParameterIn},
};

use super::params;
use crate::{
    Error,
    domain::{fields::FieldError, lists::COUNTED},
};

/// Items on a page that is not asked to be of another size.
pub const DEFAULT_SIZE: u32 = 100;
/// Most items on a page; a larger wish is cut to it.
pub const LARGEST_SIZE: u32 = 500;
/// Most fields to sort by.
const MOST_SORTS: usize = 5;

/// Which part of a list is wanted, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// From 1.
    pub page: u32,
    /// 1 to [`LARGEST_SIZE`].
    pub size: u32,
    /// The words that must all be found, in lower case.
    pub words: Vec<String>,
    sort: Vec<Sort>,
}

/// A field to sort by, as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sort {
    field: String,
    descending: bool,
}

/// The parameters as they stand in the URL.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "utoipa reads the attributes")]
struct Written {
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Items on a page; more than 500 are cut to 500.
    #[param(minimum = 1, default = 100)]
    page_size: Option<u32>,
    /// Fields to sort by, separated by commas; `-` in front of one reverses it.
    #[param(example = "-createdAt,name")]
    sort: Option<String>,
    /// Words that must all occur.
    search: Option<String>,
}

impl IntoParams for ListQuery {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Written::into_params(parameter_in)
    }
}

impl FromRequest for ListQuery {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::parse(request.query_string()))
    }
}

/// A column that a list can be sorted by.
#[derive(Debug)]
pub struct Column<T> {
    /// As callers write it.
    pub name: &'static str,
    /// Ascending.
    pub compare: fn(&T, &T) -> Ordering,
}

impl ListQuery {
    fn parse(query: &str) -> Result<Self, Error> {
        let written: Written = params::parse(query)?;
        let at_least_one = |field: &str, value: Option<u32>, default| match value {
            Some(0) => Err(FieldError { field: field.into(), message: "must be at least 1".into() }),
            value => Ok(value.unwrap_or(default)),
        };
        let page = at_least_one("page", written.page, 1);
        let size = at_least_one("pageSize", written.page_size, DEFAULT_SIZE);
        let (page, size) = match (page, size) {
            (Ok(page), Ok(size)) => (page, size.min(LARGEST_SIZE)),
            (page, size) => return Err(Error::Invalid([page.err(), size.err()].into_iter().flatten().collect())),
        };
        let words = written.search.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
        Ok(Self { page, size, words, sort: sorts(&written.sort.unwrap_or_default())? })
    }

    /// Items before the page.
    #[must_use]
    pub fn offset(&self) -> usize {
        (self.page as usize - 1).saturating_mul(self.size as usize)
    }

    /// Whether the caller leaves the order to the list.
    #[must_use]
    pub fn default_order(&self) -> bool {
        self.sort.is_empty()
    }

    /// Whether every word of the search occurs in one of `texts`.
    #[must_use]
    pub fn finds<'a>(&self, texts: impl IntoIterator<Item = &'a str> + Clone) -> bool {
        let occurs = |word: &String| texts.clone().into_iter().any(|text| text.to_lowercase().contains(word.as_str()));
        self.words.iter().all(occurs)
    }

    /// The fields to sort by as places in `known`, each with whether it is descending: for orders made elsewhere.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the known fields.
    pub fn order(&self, known: &[&str]) -> Result<Vec<(usize, bool)>, Error> {
        let place = |sort: &Sort| match known.iter().position(|name| *name == sort.field) {
            Some(place) => Ok((place, sort.descending)),
            None => Err(Error::field("sort", format!("there is no field {}: use {}", sort.field, known.join(", ")))),
        };
        self.sort.iter().map(place).collect()
    }

    /// Sorts `items` as the caller asks; the order they come in breaks ties.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the columns.
    pub fn sort<T>(&self, items: &mut [T], columns: &[Column<T>]) -> Result<(), Error> {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let order = self.order(&names)?;
        if order.is_empty() {
            return Ok(());
        }
        items.sort_by(|one, other| {
            order.iter().fold(Ordering::Equal, |so_far, (place, descending)| {
                so_far.then_with(|| {
                    let compared = (columns[*place].compare)(one, other);
                    if *descending { compared.reverse() } else { compared }
                })
            })
        });
        Ok(())
    }

    /// The page of those of `found` in whose words the search occurs, in their own order: for lists that know no other.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wish to sort, before anything is looked for, and what looking for it ends with.
    pub async fn page_found<T, V: From<T>, const N: usize>(
        &self,
        kind: &'static str,
        found: impl Future<Output = Result<Vec<T>, Error>>,
        words: impl Fn(&T) -> [&str; N],
    ) -> Result<Page<V>, Error> {
        self.order(&[])?;
        let found = found.await?.into_iter().filter(|item| self.finds(words(item)));
        Ok(self.page_of(kind, found.map(V::from).collect()))
    }

    /// The page out of all `items`.
    #[must_use]
    pub fn page_of<T>(&self, kind: &'static str, items: Vec<T>) -> Page<T> {
        let total = items.len();
        let items = items.into_iter().skip(self.offset()).take(self.size as usize).collect();
        Page::new(kind, self.page, total, items)
    }
}

fn sorts(written: &str) -> Result<Vec<Sort>, Error> {
    let fields = written.split(',').map(str::trim).filter(|field| !field.is_empty());
    let sorts: Vec<Sort> = fields
        .map(|field| match field.strip_prefix('-') {
            Some(field) => Sort { field: field.to_owned(), descending: true },
            None => Sort { field: field.to_owned(), descending: false },
        })
        .collect();
    if sorts.len() > MOST_SORTS {
        return Err(Error::field("sort", format!("names more than {MOST_SORTS} fields")));
    }
    Ok(sorts)
}

/// A page of a list, as it goes out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// Such as `SessionList`.
    pub kind: &'static str,
    /// The page, from 1.
    pub page: u32,
    /// Items on this page.
    pub size: usize,
    /// Items on all pages.
    pub total: usize,
    /// The items.
    pub items: Vec<T>,
}

impl<T> Page<T> {
    /// The page of that number with `items`, out of `total`.
    #[must_use]
    pub fn new(kind: &'static str, page: u32, total: usize, items: Vec<T>) -> Self {
        Self { kind, page, size: items.len(), total, items }
    }
}

/// A page of a list that only grows, whose items are counted so far.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedPage<T> {
    /// Such as `JobList`.
    pub kind: &'static str,
    /// The page, from 1.
    pub page: u32,
    /// Items on this page.
    pub size: usize,
    /// Items on all pages, counted to 10,000.
    pub total: i64,
    /// `atLeast` where there are more than were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_is: Option<&'static str>,
    /// The items.
    pub items: Vec<T>,
}

impl<T> CountedPage<T> {
    /// The page of that number with `items`, out of `counted`, which is more than [`COUNTED`] where there are more.
    #[must_use]
    pub fn new(kind: &'static str, page: u32, counted: i64, items: Vec<T>) -> Self {
        let total_is = (counted > COUNTED).then_some("atLeast");
        Self { kind, page, size: items.len(), total: counted.min(COUNTED), total_is, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column<(&str, u32)>] = &[
        Column { name: "name", compare: |one, other| one.0.cmp(other.0) },
        Column { name: "age", compare: |one, other| one.1.cmp(&other.1) },
    ];

    fn sorted(sort: &str) -> Vec<&'static str> {
        let mut items = vec![("b", 1), ("a", 2), ("c", 1)];
        ListQuery::parse(&format!("sort={sort}")).unwrap().sort(&mut items, COLUMNS).unwrap();
        items.into_iter().map(|item| item.0).collect()
    }

    #[test]
    fn a_list_is_sorted_by_each_field_in_turn_and_ties_keep_their_order() {
        assert_eq!(sorted("name"), ["a", "b", "c"]);
        assert_eq!(sorted("age,-name"), ["c", "b", "a"]);
        assert_eq!(sorted("age"), ["b", "c", "a"]);
        assert_eq!(sorted(""), ["b", "a", "c"]);
    }

    #[test]
    fn an_unknown_field_is_answered_with_the_known_ones() {
        let mut items = vec![("b", 1)];
        let error = ListQuery::parse("sort=size").unwrap().sort(&mut items, COLUMNS).unwrap_err();
        assert_eq!(error.to_string(), "sort: there is no field size: use name, age");
    }

    #[test]
    fn a_page_is_cut_out_and_says_how_many_there_are() {
        let page = ListQuery::parse("page=2&pageSize=2").unwrap().page_of("NumberList", vec![1, 2, 3]);
        assert_eq!((page.page, page.size, page.total, page.items), (2, 1, 3, vec![3]));
        let beyond = ListQuery::parse("page=4294967295&pageSize=500").unwrap().page_of("NumberList", vec![1]);
        assert_eq!((beyond.total, beyond.items), (1, vec![]));
    }

    #[test]
    fn what_is_counted_only_so_far_says_so() {
        let page = |counted| CountedPage::new("NumberList", 1, counted, vec![1]);
        assert_eq!((page(COUNTED).total, page(COUNTED).total_is), (10_000, None));
        assert_eq!((page(COUNTED + 1).total, page(COUNTED + 1).total_is), (10_000, Some("atLeast")));
    }

    #[test]
    fn page_sizes_are_cut_and_zeros_refused_by_name() {
        assert_eq!(ListQuery::parse("").unwrap().size, 100);
        assert_eq!(ListQuery::parse("pageSize=9999").unwrap().size, 500);
        assert_eq!(
            ListQuery::parse("page=0&pageSize=0").unwrap_err().to_string(),
            "page: must be at least 1; pageSize: must be at least 1"
        );
        assert!(ListQuery::parse("page=-1").unwrap_err().to_string().starts_with("page: "));
    }

    #[test]
    fn a_search_wants_every_word_somewhere() {
        let query = ListQuery::parse("search=%20Linux+desk%20").unwrap();
        assert!(query.finds(["a Desktop", "linux"]));
        assert!(!query.finds(["a desktop"]));
    }
}
