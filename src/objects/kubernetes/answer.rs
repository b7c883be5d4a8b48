//! What the API server's refusals mean in the port's words.

use kube::core::{Status, response::StatusCause};

use super::super::{FieldError, ObjectError};

/// The port's error for one of a call about the object of that name.
pub(super) fn error(kind: &str, name: &str, error: kube::Error) -> ObjectError {
    match error {
        kube::Error::Api(status) => refusal(kind, name, *status),
        // What was sent or what came makes no sense: asking again changes nothing.
        error @ (kube::Error::SerdeError(_)
        | kube::Error::BuildRequest(_)
        | kube::Error::HttpError(_)
        | kube::Error::FromUtf8(_)
        | kube::Error::TlsRequired) => ObjectError::Failed(Box::new(error)),
        error => ObjectError::Unavailable(Box::new(error)),
    }
}

/// The port's error for a refusal.
pub(super) fn refusal(kind: &str, name: &str, status: Status) -> ObjectError {
    let (kind, name) = (kind.to_owned(), name.to_owned());
    let too_new = causes(&status).any(|cause| cause.reason == "ResourceVersionTooLarge");
    match status.code {
        404 => ObjectError::NotFound { kind, name },
        409 if status.is_already_exists() => ObjectError::AlreadyExists { kind, name },
        409 => ObjectError::Conflict { kind, name },
        410 => ObjectError::Expired,
        // A number that this cluster has not given yet, so it is another's.
        _ if too_new || status.message.contains("future revision") => ObjectError::Expired,
        // The uid was demanded: under this name there is another object by now.
        422 if causes(&status).any(|cause| cause.field == "metadata.uid") => ObjectError::Conflict { kind, name },
        400 | 413 | 422 => ObjectError::Invalid(wrong_fields(&status)),
        429 | 500..=599 => ObjectError::Unavailable(Box::new(status)),
        _ => ObjectError::Failed(Box::new(status)),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

/// One sentence for each field that is wrong, sorted by field.
pub(super) fn wrong_fields(status: &Status) -> Vec<FieldError> {
    let mut wrong: Vec<FieldError> =
        unknown_fields(&status.message).map(|field| FieldError::new(field, "there is no such field")).collect();
    if wrong.is_empty() {
        // `<nil>` stands for the object as a whole, with the words that its rules were not asked.
        let named = causes(status).filter(|cause| !cause.field.is_empty() && cause.field != "<nil>");
        wrong.extend(named.map(|cause| FieldError::new(&*cause.field, sentence(cause))));
    }
    if wrong.is_empty() {
        wrong.push(FieldError::new("", &status.message));
    }
    wrong.sort_by(|one, other| one.field.cmp(&other.field));
    wrong.dedup();
    wrong
}

/// The part of a cause that is written for people: `Invalid value: "soon": it is no duration` without its first half.
fn sentence(cause: &StatusCause) -> &str {
    let about = match cause.reason.as_str() {
        "FieldValueInvalid" => cause.message.strip_prefix("Invalid value: "),
        "FieldValueForbidden" => cause.message.strip_prefix("Forbidden: "),
        _ => None,
    };
    match about {
        // After the value, which ends in `": ` where it is a text and before the first `: ` where it is none.
        Some(text) if text.starts_with('"') => text.split_once("\": ").map_or(text, |(_, sentence)| sentence),
        Some(text) if cause.reason == "FieldValueInvalid" => {
            text.split_once(": ").map_or(text, |(_, sentence)| sentence)
        }
        Some(text) => text,
        None => &cause.message,
    }
}

/// The fields named in `strict decoding error: unknown field "spec.colour", unknown field "metadata.color"`.
fn unknown_fields(message: &str) -> impl Iterator<Item = &str> {
    let named = message.split("unknown field \"").skip(1);
    named.filter_map(|rest| rest.split_once('"').map(|(field, _)| field))
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;

    use super::*;

    fn refused(code: u16, message: &str, causes: &[(&str, &str, &str)]) -> ObjectError {
        let causes = causes.iter().map(|(reason, field, message)| StatusCause {
            reason: (*reason).into(),
            field: (*field).into(),
            message: (*message).into(),
        });
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.collect(),
            retry_after_seconds: 0,
        };
        refusal("Session", "a", Status::failure(message, "").with_code(code).with_details(details))
    }

    #[test]
    fn each_wrong_field_keeps_the_sentence_that_is_written_for_people() {
        let error = refused(
            422,
            "Session is invalid",
            &[
                ("FieldValueInvalid", "spec.user", "Invalid value: \"bob\": user cannot be changed"),
                ("FieldValueInvalid", "spec", "Invalid value: object: project cannot be changed"),
                (
                    "FieldValueNotSupported",
                    "spec.state",
                    "Unsupported value: \"asleep\": supported values: \"running\"",
                ),
                ("FieldValueInvalid", "<nil>", "Invalid value: null: some validation rules were not checked"),
            ],
        );
        let text = error.to_string();
        assert_eq!(
            text,
            "spec: project cannot be changed; spec.state: Unsupported value: \"asleep\": supported values: \"running\"; \
             spec.user: user cannot be changed"
        );
    }

    #[test]
    fn fields_that_do_not_exist_are_found_in_the_words_of_the_refusal() {
        let message = "strict decoding error: unknown field \"spec.colour\", unknown field \"specs\"";
        let ObjectError::Invalid(wrong) = refused(400, message, &[]) else { panic!("it is a refusal of fields") };
        assert_eq!(wrong.iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>(), ["spec.colour", "specs"]);
    }

    #[test]
    fn what_may_succeed_later_is_told_from_what_never_will() {
        assert!(matches!(refused(503, "", &[]), ObjectError::Unavailable(_)));
        assert!(matches!(refused(429, "", &[]), ObjectError::Unavailable(_)));
        assert!(matches!(refused(403, "", &[]), ObjectError::Failed(_)));
        assert!(matches!(refused(410, "", &[]), ObjectError::Expired));
        let too_new = [("ResourceVersionTooLarge", "", "Too large resource version")];
        assert!(matches!(refused(504, "", &too_new), ObjectError::Expired));
    }
}
