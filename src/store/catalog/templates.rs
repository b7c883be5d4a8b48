//! Tables `catalog_templates`, `catalog_versions` and `catalog_installs`.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::{
    Row,
    types::{Json, ToSql},
};
use uuid::Uuid;

use crate::{Error, crd::TemplateSpec};

/// The columns of [`Entry`].
const COLUMNS: &str = "t.id, t.repository, r.name AS repository_name, t.name, t.path, t.version, t.display_name, \
    t.description, t.category, t.tags, t.icon, t.installs, t.added_at, t.updated_at, t.removed_at, v.commit";
const FROM: &str = "catalog_templates t JOIN catalog_repositories r ON r.id = t.repository \
    JOIN catalog_versions v ON v.id = t.version";

/// A template of the catalog, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// The repository it comes from.
    pub repository: Uuid,
    /// The repository's name.
    pub repository_name: String,
    /// `metadata.name`.
    pub name: String,
    /// The file, from the repository's root.
    pub path: String,
    /// Its latest version.
    pub version: Uuid,
    /// The commit of that version.
    pub commit: String,
    /// What people see.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// The heading it is found under.
    pub category: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// URL of a picture.
    pub icon: Option<String>,
    /// How often it was installed.
    pub installs: i64,
    /// When it was found first.
    pub added_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Since when it is not in the repository any more.
    pub removed_at: Option<Timestamp>,
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.try_get("id")?,
        repository: row.try_get("repository")?,
        repository_name: row.try_get("repository_name")?,
        name: row.try_get("name")?,
        path: row.try_get("path")?,
        version: row.try_get("version")?,
        commit: row.try_get("commit")?,
        display_name: row.try_get("display_name")?,
        description: row.try_get("description")?,
        category: row.try_get("category")?,
        tags: row.try_get("tags")?,
        icon: row.try_get("icon")?,
        installs: row.try_get("installs")?,
        added_at: row.try_get("added_at")?,
        updated_at: row.try_get("updated_at")?,
        removed_at: row.try_get("removed_at")?,
    })
}

/// A version of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its id.
    pub id: Uuid,
    /// Of which template.
    pub template: Uuid,
    /// From 1, in the order in which they were read.
    pub number: i32,
    /// The commit in which it was read.
    pub commit: String,
    /// The file, from the repository's root.
    pub path: String,
    /// The document as it stands there.
    pub manifest: String,
    /// What it means in the current spelling.
    pub spec: Value,
    /// What somebody should know of it.
    pub notes: Value,
    /// When it was read.
    pub created_at: Timestamp,
}

fn version(row: &Row) -> Result<Version, Error> {
    Ok(Version {
        id: row.try_get("id")?,
        template: row.try_get("template")?,
        number: row.try_get("number")?,
        commit: row.try_get("commit")?,
        path: row.try_get("path")?,
        manifest: row.try_get("manifest")?,
        spec: row.try_get("spec")?,
        notes: row.try_get("notes")?,
        created_at: row.try_get("created_at")?,
    })
}

/// What a browse wants; an absent part lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The category, exactly.
    pub category: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A repository.
    pub repository: Option<Uuid>,
    /// Each of these words begins a word of name, display name, tags, category or description.
    pub words: Vec<String>,
    /// Only those with, or without, one of `installed_ids`.
    pub installed: Option<bool>,
    /// The templates that are installed.
    pub installed_ids: Vec<Uuid>,
    /// By which of [`SORTS`], and whether descending.
    pub sort: Vec<(usize, bool)>,
    /// How many to skip.
    pub offset: i64,
    /// How many to return at most.
    pub limit: i64,
}

/// What a browse can be sorted by, and the columns behind.
pub const SORTS: [&str; 4] = ["name", "installs", "updated", "category"];
const SORT_COLUMNS: [&str; 4] = ["lower(t.display_name)", "t.installs", "t.updated_at", "t.category"];

/// How many templates a value of a facet has.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    /// `category`, `tag` or `repository`.
    pub kind: String,
    /// The value; of a repository its id.
    pub value: String,
    /// What people call it.
    pub label: String,
    /// How many.
    pub count: i64,
}

/// `'linux':* & 'desk':*`, from words that hold letters and digits only in what counts.
fn text_query(words: &[String]) -> Option<String> {
    let parts: Vec<String> = words
        .iter()
        .flat_map(|word| word.split(|char: char| !char.is_alphanumeric()))
        .filter(|part| !part.is_empty())
        .map(|part| format!("'{part}':*"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" & "))
}

const WHERE: &str = "t.removed_at IS NULL AND ($1::text IS NULL OR t.category = $1) \
    AND ($2::text IS NULL OR $2 = ANY(t.tags)) AND ($3::uuid IS NULL OR t.repository = $3) \
    AND ($4::text IS NULL OR t.words @@ to_tsquery('simple', $4)) \
    AND ($5::boolean IS NULL OR (t.id = ANY($6)) = $5)";

/// A page of templates, and how many there are.
pub async fn list(db: &impl GenericClient, query: &Query) -> Result<(Vec<Entry>, i64), Error> {
    let words = text_query(&query.words);
    let order: Vec<String> = query
        .sort
        .iter()
        .map(|(place, descending)| format!("{} {}, ", SORT_COLUMNS[*place], if *descending { "DESC" } else { "ASC" }))
        .collect();
    let order = order.concat();
    // Who searches wants the best first; who only looks, the alphabet.
    let rank =
        if order.is_empty() && words.is_some() { "ts_rank(t.words, to_tsquery('simple', $4)) DESC, " } else { "" };
    let page = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE {WHERE} ORDER BY {order}{rank}lower(t.display_name), t.id OFFSET $7 LIMIT $8"
    );
    let statement = db.prepare_cached(&page).await?;
    let Query { category, tag, repository, installed, installed_ids, offset, limit, .. } = query;
    let rows =
        db.query(&statement, &[category, tag, repository, &words, installed, installed_ids, offset, limit]).await?;
    let count = format!("SELECT count(*) FROM catalog_templates t WHERE {WHERE}");
    let statement = db.prepare_cached(&count).await?;
    let total = db.query_one(&statement, &[category, tag, repository, &words, installed, installed_ids]).await?;
    Ok((rows.iter().map(entry).collect::<Result<_, _>>()?, total.try_get(0)?))
}

/// How many templates each category, tag and repository has among those that `query` wants, the most first. A facet
/// is counted as if nothing of its own kind had been chosen.
pub async fn facets(db: &impl GenericClient, query: &Query) -> Result<Vec<Facet>, Error> {
    const LIMIT: i64 = 100;
    let words = text_query(&query.words);
    let mut all = Vec::new();
    let kinds = [
        ("category", "t.category", "t.category", ""),
        ("tag", "tag", "tag", "CROSS JOIN LATERAL unnest(t.tags) AS tag"),
        ("repository", "r.id::text", "r.name", "JOIN catalog_repositories r ON r.id = t.repository"),
    ];
    for (kind, value, label, join) in kinds {
        let statement = db
            .prepare_cached(&format!(
                "SELECT {value} AS value, {label} AS label, count(*) AS count FROM catalog_templates t {join}
                 WHERE {WHERE} AND {value} <> '' GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT $7"
            ))
            .await?;
        let category = query.category.as_ref().filter(|_| kind != "category");
        let tag = query.tag.as_ref().filter(|_| kind != "tag");
        let repository = query.repository.filter(|_| kind != "repository");
        let values: [&(dyn ToSql + Sync); 7] =
            [&category, &tag, &repository, &words, &query.installed, &query.installed_ids, &LIMIT];
        for row in db.query(&statement, &values).await? {
            let (value, label, count) = (row.try_get("value")?, row.try_get("label")?, row.try_get("count")?);
            all.push(Facet { kind: kind.into(), value, label, count });
        }
    }
    Ok(all)
}

/// The template of that id, also one that is not in its repository any more.
pub async fn get(db: &impl GenericClient, id: Uuid) -> Result<Option<Entry>, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM {FROM} WHERE t.id = $1")).await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(entry).transpose()
}

/// The templates of a repository by name, with those that are gone.
pub async fn of_repository(db: &impl GenericClient, repository: Uuid) -> Result<Vec<Entry>, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM {FROM} WHERE t.repository = $1")).await?;
    db.query(&statement, &[&repository]).await?.iter().map(entry).collect()
}

/// The versions of a template, the latest first.
pub async fn versions(db: &impl GenericClient, template: Uuid) -> Result<Vec<Version>, Error> {
    let statement =
        db.prepare_cached("SELECT * FROM catalog_versions WHERE template = $1 ORDER BY number DESC LIMIT 500").await?;
    db.query(&statement, &[&template]).await?.iter().map(version).collect()
}

/// The version of that id.
pub async fn version_of(db: &impl GenericClient, id: Uuid) -> Result<Option<Version>, Error> {
    let statement = db.prepare_cached("SELECT * FROM catalog_versions WHERE id = $1").await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(version).transpose()
}

/// The manifests of the latest versions of those templates of a repository, by name.
pub async fn manifests(
    db: &impl GenericClient,
    repository: Uuid,
    names: &[&str],
) -> Result<BTreeMap<String, String>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT t.name, v.manifest FROM catalog_templates t JOIN catalog_versions v ON v.id = t.version
             WHERE t.repository = $1 AND t.name = ANY($2)",
        )
        .await?;
    let rows = db.query(&statement, &[&repository, &names]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// What is written of a template whose manifest is new or has changed.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// The file.
    pub path: &'a str,
    /// The id of its new version.
    pub version: Uuid,
    /// The document as it stands there.
    pub manifest: &'a str,
    /// What it means.
    pub spec: &'a TemplateSpec,
    /// What somebody should know of it.
    pub notes: Value,
    /// What people see.
    pub display_name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// The heading it is found under.
    pub category: &'a str,
    /// Words to find it by.
    pub tags: &'a [String],
    /// URL of a picture.
    pub icon: Option<&'a str>,
}

/// Writes new versions of templates of a repository, all at once, and the templates themselves where they are new.
pub async fn write(
    db: &impl GenericClient,
    repository: Uuid,
    commit: &str,
    changes: &[Change<'_>],
) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "WITH n AS MATERIALIZED (
                 SELECT name, path, version, manifest, spec, notes, display_name, description, category, icon,
                        ARRAY(SELECT json_array_elements_text(n.tags)) AS tags
                 FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::json[], $8::json[], $9::text[],
                             $10::text[], $11::text[], $12::json[], $13::text[])
                     AS n (name, path, version, manifest, spec, notes, display_name, description, category, tags, icon)
             ), t AS (
                 INSERT INTO catalog_templates (id, repository, name, path, version, display_name, description, category,
                                                tags, icon, words)
                 SELECT gen_random_uuid(), $1, name, path, version, display_name, description, category, tags, icon,
                        setweight(to_tsvector('simple', display_name || ' ' || replace(name, '-', ' ')), 'A')
                         || setweight(to_tsvector('simple', array_to_string(tags, ' ') || ' ' || category), 'B')
                         || setweight(to_tsvector('simple', description), 'C')
                 FROM n
                 ON CONFLICT (repository, name) DO UPDATE SET path = excluded.path, version = excluded.version,
                     display_name = excluded.display_name, description = excluded.description,
                     category = excluded.category, tags = excluded.tags, icon = excluded.icon, words = excluded.words,
                     updated_at = clock_timestamp(), removed_at = NULL
                 RETURNING id, name
             )
             INSERT INTO catalog_versions (id, template, number, commit, path, manifest, spec, notes)
             SELECT n.version, t.id, 1 + coalesce((SELECT max(number) FROM catalog_versions WHERE template = t.id), 0),
                    $2, n.path, n.manifest, n.spec, n.notes
             FROM n JOIN t USING (name)",
        )
        .await?;
    // A column each, since PostgreSQL takes those apart several times faster than an array of objects. Arrays in an array
    // would all have to have one length, which tags have not.
    let icons: Vec<Option<&str>> = changes.iter().map(|it| it.icon).collect();
    let versions: Vec<Uuid> = changes.iter().map(|it| it.version).collect();
    let texts = |of: for<'a> fn(&'a Change<'a>) -> &'a str| changes.iter().map(of).collect::<Vec<&str>>();
    let specs: Vec<Json<&TemplateSpec>> = changes.iter().map(|it| Json(it.spec)).collect();
    let notes: Vec<Json<&Value>> = changes.iter().map(|it| Json(&it.notes)).collect();
    let tags: Vec<Json<&[String]>> = changes.iter().map(|it| Json(it.tags)).collect();
    let values: &[&(dyn ToSql + Sync)] = &[
        &repository,
        &commit,
        &texts(|it| it.name),
        &texts(|it| it.path),
        &versions,
        &texts(|it| it.manifest),
        &specs,
        &notes,
        &texts(|it| it.display_name),
        &texts(|it| it.description),
        &texts(|it| it.category),
        &tags,
        &icons,
    ];
    db.execute(&statement, values).await?;
    Ok(())
}

/// A template is in another file, or back, as it was.
pub async fn found_again(db: &impl GenericClient, id: Uuid, path: &str) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE catalog_templates SET path = $2, removed_at = NULL WHERE id = $1").await?;
    db.execute(&statement, &[&id, &path]).await?;
    Ok(())
}

/// Templates are not in their repository any more.
pub async fn gone(db: &impl GenericClient, ids: &[Uuid]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE catalog_templates SET removed_at = clock_timestamp() WHERE id = ANY($1) AND removed_at IS NULL",
        )
        .await?;
    db.execute(&statement, &[&ids]).await?;
    Ok(())
}

/// What was done with a template of the cluster.
#[derive(Clone, Debug)]
pub struct Install<'a> {
    /// The name of the template in the cluster.
    pub name: &'a str,
    /// Its `metadata.uid`.
    pub uid: &'a str,
    /// What it is now.
    pub version: &'a Version,
    /// `install`, `upgrade` or `rollback`.
    pub action: &'static str,
    /// Who did it.
    pub by: &'a str,
}

/// Writes down what was done; a first installation counts. False: it was written down before, so that whoever was
/// interrupted after the deed can write it down once more.
pub async fn installed(db: &impl GenericClient, install: &Install<'_>) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO catalog_installs (id, template_name, template_uid, catalog_template, version, commit, path,
                                           action, by)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
             WHERE $5 IS DISTINCT FROM (SELECT version FROM catalog_installs WHERE template_uid = $3
                                        ORDER BY id DESC LIMIT 1)",
        )
        .await?;
    let version = install.version;
    let values: [&(dyn ToSql + Sync); 9] = [
        &Uuid::now_v7(),
        &install.name,
        &install.uid,
        &version.template,
        &version.id,
        &version.commit,
        &version.path,
        &install.action,
        &install.by,
    ];
    let written = db.execute(&statement, &values).await? == 1;
    if written && install.action == "install" {
        let count = db.prepare_cached("UPDATE catalog_templates SET installs = installs + 1 WHERE id = $1").await?;
        db.execute(&count, &[&version.template]).await?;
    }
    Ok(written)
}

/// The version that the template of the cluster with that uid had before `current`, as far as it was one of the catalog
/// template `template`.
pub async fn installed_before(
    db: &impl GenericClient,
    uid: &str,
    template: Uuid,
    current: Uuid,
) -> Result<Option<Uuid>, Error> {
    let statement = db
        .prepare_cached(
            "WITH known AS (SELECT id, version, action FROM catalog_installs
                            WHERE template_uid = $1 AND catalog_template = $2)
             SELECT version FROM known
             WHERE version <> $3
               AND id < coalesce((SELECT id FROM known WHERE version = $3 AND action <> 'rollback'
                                  ORDER BY id DESC LIMIT 1), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             ORDER BY id DESC LIMIT 1",
        )
        .await?;
    Ok(db.query_opt(&statement, &[&uid, &template, &current]).await?.map(|row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_search_cannot_break_out_of_the_query() {
        let words = ["linux'", ":*", "a|b", "desk-top"].map(str::to_owned);
        assert_eq!(text_query(&words).unwrap(), "'linux':* & 'a':* & 'b':* & 'desk':* & 'top':*");
        assert_eq!(text_query(&["'".to_owned()]), None);
    }
}
