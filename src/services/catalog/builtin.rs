//! The catalog that comes with the program: `templates-catalog/`, laid out as any repository is, under an id of its own.
//!
//! What lies in `unverified/` can be installed as any other template; the rest is there from the start.

use std::collections::BTreeMap;

use kube::ResourceExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    apply::{apply, read},
    install::{Origin, mark},
};
use crate::{
    App, Error,
    catalog::{
        fetch::{Fetched, File, is_manifest, readmes},
        manifest::{self, RULES},
    },
    crd::Template,
    domain::keys,
    objects::Precondition,
    store::catalog::{
        repositories,
        templates::{self, Entry},
    },
};

/// Its id, the same everywhere.
pub const ID: Uuid = Uuid::from_u128(0x5374_7265_616d_8053_8070_6163_6500_0001);
/// The folder of templates that no test of this project starts.
const UNVERIFIED: &str = "unverified/";
/// What people call it.
const NAME: &str = "Built in";
/// What stands in the place of its URL.
const URL: &str = "builtin:templates-catalog";

#[derive(rust_embed::Embed)]
#[folder = "templates-catalog/"]
struct Embedded;

/// Whether a template of the catalog comes with the program and is started by no test.
#[must_use]
pub fn is_unverified(entry: &Entry) -> bool {
    entry.repository == ID && entry.path.starts_with(UNVERIFIED)
}

/// Refuses to change the repository that comes with the program.
///
/// # Errors
/// [`Error::Conflict`] with the reason.
pub fn refuse(id: Uuid) -> Result<(), Error> {
    if id != ID {
        return Ok(());
    }
    Err(Error::Conflict("this repository comes with the server, and changes with it alone".into()))
}

/// The files that count, as a fetch would tell them.
fn fetched() -> Fetched {
    let paths: Vec<_> = Embedded::iter().collect();
    let (manifests, others): (Vec<&str>, Vec<&str>) =
        paths.iter().map(AsRef::as_ref).partition(|path| is_manifest(path));
    let readmes = readmes(&manifests, others);
    let mut digest = Sha256::new();
    let mut files = Vec::new();
    for path in manifests.iter().chain(&readmes) {
        let Some(file) = Embedded::get(path) else { continue };
        let blob = hex::encode(file.metadata.sha256_hash());
        digest.update(format!("{blob} {path}\n"));
        files.push(File { path: (*path).to_owned(), blob, content: Some(file.data.into_owned()) });
    }
    // As long as a commit's id is.
    let commit = hex::encode(&digest.finalize()[..20]);
    Fetched { commit, files, ..Fetched::default() }
}

/// The templates that are there from the start.
///
/// # Errors
/// One cannot be read: a defect that a test finds.
pub fn shipped() -> Result<Vec<Template>, Error> {
    let mut all = Vec::new();
    for file in fetched().files {
        if !is_manifest(&file.path) || file.path.starts_with(UNVERIFIED) {
            continue;
        }
        let reading = manifest::read(&file.path, &file.content.unwrap_or_default());
        if let Some(problem) = reading.problems.first() {
            return Err(Error::internal(format!("templates-catalog/{}: {}", file.path, problem.message)));
        }
        all.extend(reading.found.into_iter().map(|found| Template::new(&found.name, found.spec)));
    }
    Ok(all)
}

/// Brings the catalog in step with the program, and the templates of the cluster with the catalog: made where missing,
/// replaced where they differ, removed where they are shipped no more. What an administrator made under such a name is
/// left alone.
pub async fn bring(app: &App) -> Result<(), Error> {
    bring_catalog(app).await?;
    let db = app.pool.get().await?;
    let entries = templates::of_repository(&db, ID).await?.into_iter().map(|entry| (entry.name.clone(), entry));
    bring_templates(app, &entries.collect()).await
}

async fn bring_catalog(app: &App) -> Result<(), Error> {
    let fetched = fetched();
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    repositories::ensure_built_in(&transaction, ID, NAME, URL).await?;
    let known = repositories::get(&transaction, ID).await?;
    let commit = fetched.commit.clone();
    if known.is_some_and(|known| known.commit.as_ref() == Some(&commit) && known.rules == RULES) {
        return Ok(());
    }
    apply(&transaction, ID, &commit, &read(fetched, &BTreeMap::new())).await?;
    Ok(transaction.commit().await?)
}

async fn bring_templates(app: &App, entries: &BTreeMap<String, Entry>) -> Result<(), Error> {
    let (store, shipped) = (app.templates.store(), shipped()?);
    for mut wanted in shipped.clone() {
        wanted.labels_mut().insert(keys::SHIPPED_LABEL.into(), "true".into());
        wanted.metadata.namespace = Some(app.config.sessions.namespace().to_owned());
        if let Some(entry) = entries.get(&wanted.name_any()) {
            let Entry { id, version, commit, path, .. } = entry;
            mark(&mut wanted, &Origin { repository: URL, template: *id, version: *version, commit, path });
        }
        match store.get(&wanted.name_any()).await? {
            None => drop(store.create(&wanted).await?),
            Some(old) if !is_shipped(&old) || is_same(&old, &wanted) => {}
            Some(mut old) => {
                old.annotations_mut().extend(wanted.annotations().clone());
                old.spec = wanted.spec;
                store.replace(&old).await?;
            }
        }
    }
    let ours =
        kube::core::Selector::from_iter([kube::core::Expression::Equal(keys::SHIPPED_LABEL.into(), "true".into())]);
    for old in store.list(&ours).await?.items {
        if !shipped.iter().any(|wanted| wanted.name_any() == old.name_any()) {
            store.delete(&old.name_any(), &Precondition { uid: old.uid(), resource_version: None }).await?;
        }
    }
    Ok(())
}

/// Whether `old` says all that `wanted` says.
fn is_same(old: &Template, wanted: &Template) -> bool {
    let noted = |(key, value): (&String, &String)| old.annotations().get(key) == Some(value);
    old.spec == wanted.spec && wanted.annotations().iter().all(noted)
}

/// Whether a template of the cluster is kept by the server itself.
#[must_use]
pub fn is_shipped(template: &Template) -> bool {
    template.labels().get(keys::SHIPPED_LABEL).is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{fields::FieldError, template};

    #[test]
    fn every_shipped_template_is_valid_and_runs_without_an_image() {
        let all = shipped().unwrap();
        for template in &all {
            assert_eq!(template::check(&template.spec), Vec::<FieldError>::new(), "{}", template.name_any());
            assert!(template::is_local(&template.spec), "{}", template.name_any());
        }
        let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
        for name in ["terminal", "desktop", "browser", "jupyterlab"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
        assert!(names.len() >= 12, "{names:?}");
    }

    #[test]
    fn everything_in_the_catalog_reads_without_a_remark_and_fetches_no_icon_from_elsewhere() {
        let mut unverified = 0;
        for file in fetched().files.iter().filter(|file| is_manifest(&file.path)) {
            let reading = manifest::read(&file.path, file.content.as_ref().unwrap());
            assert_eq!((reading.found.len(), &reading.problems[..]), (1, &[][..]), "{}", file.path);
            let found = &reading.found[0];
            assert_eq!(found.notes, [], "{}", file.path);
            let icon = found.spec.icon.as_deref().unwrap_or_default();
            assert!(icon.starts_with("/icons/"), "{}: {icon}", file.path);
            assert!(found.spec.description.len() > 30, "{}: a sentence that helps to choose", file.path);
            unverified += usize::from(file.path.starts_with(UNVERIFIED));
        }
        assert!(unverified >= 4, "{unverified}");
    }
}
