//! Accounts that people make for themselves, where they may.

use secrecy::SecretString;
use serde_json::json;

use super::{
    audit::{self, Entry},
    sign_in::{self, Grant, Origin, SignedIn, User},
};
use crate::{
    Error,
    auth::{Auth, Role},
    domain::{
        fields::FieldError,
        people::{check_display_name, check_email, check_name},
    },
    store::{sign_ins::PASSWORD, users},
};

/// What somebody says of themselves who makes themselves an account.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The user name: a DNS label that nobody had before.
    pub name: String,
    /// What is shown; may be empty.
    pub display_name: String,
    /// Where they read mail.
    pub email: Option<String>,
    /// Their password from now on.
    pub password: SecretString,
}

/// Makes an account with the role of users for whoever asks, and signs them in.
///
/// # Errors
/// [`Error::Forbidden`] where administrators alone make accounts; [`Error::Invalid`] naming what is wrong,
/// [`Error::AlreadyExists`] for a name that is or was in use.
pub async fn register(auth: &Auth, origin: &Origin, new: Registration, grant: Grant) -> Result<SignedIn, Error> {
    sign_in::local_accounts(auth)?;
    if !auth.registration {
        return Err(Error::Forbidden("accounts are made by an administrator here: ask one".to_owned()));
    }
    let Registration { name, display_name, email, password } = new;
    let address = email.as_deref().and_then(|email| check_email(email).err());
    let unnamed = check_name(&name).err().map(|wrong| FieldError { field: "username".to_owned(), ..wrong });
    let wrong = [unnamed, check_display_name(&display_name).err(), address];
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let hash = sign_in::new_hash(auth, "password", password, &name).await?;
    let user = User { display_name, email, roles: [Role::User].into(), ..User::new(name, auth.now()) };
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    users::insert(&transaction, &user).await?;
    users::set_password(&transaction, user.id, &hash).await?;
    let made = json!({ "name": user.name, "displayName": user.display_name, "email": user.email, "roles": user.roles });
    let entry = Entry::new("user.register", format!("user/{}", user.name)).after(&made);
    audit::record_arrival(&transaction, origin, &user.name, entry).await?;
    let user = users::by_id(&transaction, user.id).await?.ok_or_else(|| Error::internal("a new account is away"))?;
    let signed_in = sign_in::admit(auth, &transaction, origin, user, PASSWORD, grant).await?;
    transaction.commit().await?;
    Ok(signed_in)
}
