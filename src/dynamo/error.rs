//! What can go wrong with a request, in the words that the SDKs know.

use super::attribute::Attributes;
use crate::store;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub enum Error {
    /// It was refused.
    Refused(Box<Refusal>),
    /// The store could not: among others [`store::Error::WouldWait`], after which the same is run again where waiting is
    /// allowed.
    Store(store::Error),
}

/// A refusal, as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Which of the exceptions it is.
    pub kind: Kind,
    /// What was wrong, for a person to read.
    pub message: String,
    /// The item that a condition was not met by, if the request asked for it.
    pub item: Option<Attributes>,
    /// Why a transaction was cancelled, item by item.
    pub reasons: Vec<Option<Refusal>>,
    /// Whether a transaction is refused with it as a whole, rather than for the reason of one of its items.
    pub is_of_request: bool,
}

macro_rules! kinds {
    ($($kind:ident $status:literal $name:literal,)*) => {
        /// The exceptions of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the API's own names")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// All of them, in this order.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name as in the member `__type` of a reply's body.
            pub fn type_name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The status of the HTTP reply.
            pub fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }
        }
    };
}

kinds! {
    Validation 400 "com.amazon.coral.validate#ValidationException",
    Serialization 400 "com.amazon.coral.service#SerializationException",
    UnknownOperation 400 "com.amazon.coral.service#UnknownOperationException",
    AccessDenied 400 "com.amazon.coral.service#AccessDeniedException",
    MissingAuthenticationToken 400 "com.amazon.coral.service#MissingAuthenticationTokenException",
    IncompleteSignature 400 "com.amazon.coral.service#IncompleteSignatureException",
    InvalidSignature 400 "com.amazon.coral.service#InvalidSignatureException",
    UnrecognizedClient 400 "com.amazon.coral.service#UnrecognizedClientException",
    RequestTooLarge 413 "com.amazon.coral.service#RequestEntityTooLargeException",
    ServiceUnavailable 503 "com.amazon.coral.service#ServiceUnavailableException",
    Internal 500 "com.amazonaws.dynamodb.v20120810#InternalServerError",
    BackupInUse 400 "com.amazonaws.dynamodb.v20120810#BackupInUseException",
    BackupNotFound 400 "com.amazonaws.dynamodb.v20120810#BackupNotFoundException",
    ConditionalCheckFailed 400 "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    DuplicateItem 400 "com.amazonaws.dynamodb.v20120810#DuplicateItemException",
    ExpiredIterator 400 "com.amazonaws.dynamodb.v20120810#ExpiredIteratorException",
    IdempotentParameterMismatch 400 "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
    ItemCollectionSizeLimitExceeded 400 "com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException",
    LimitExceeded 400 "com.amazonaws.dynamodb.v20120810#LimitExceededException",
    ResourceInUse 400 "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
    ResourceNotFound 400 "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
    TableAlreadyExists 400 "com.amazonaws.dynamodb.v20120810#TableAlreadyExistsException",
    TableInUse 400 "com.amazonaws.dynamodb.v20120810#TableInUseException",
    TableNotFound 400 "com.amazonaws.dynamodb.v20120810#TableNotFoundException",
    TransactionCanceled 400 "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    TransactionConflict 400 "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
    TransactionInProgress 400 "com.amazonaws.dynamodb.v20120810#TransactionInProgressException",
    TrimmedDataAccess 400 "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException",
}

impl Kind {
    /// Its name alone, as SDKs name it: `ValidationException`.
    pub fn name(self) -> &'static str {
        self.type_name().rsplit_once('#').map_or(self.type_name(), |(_, name)| name)
    }
}

impl Refusal {
    /// A refusal.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), item: None, reasons: Vec::new(), is_of_request: false }
    }

    /// It is one of the whole request, even where it is about one of a transaction's items.
    #[must_use]
    pub fn of_request(self) -> Self {
        Self { is_of_request: true, ..self }
    }
}

/// A refusal of this kind.
pub fn refused(kind: Kind, message: impl Into<String>) -> Error {
    Refusal::new(kind, message).into()
}

/// What the request says is against the rules.
pub fn invalid(message: impl Into<String>) -> Error {
    refused(Kind::Validation, message)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
