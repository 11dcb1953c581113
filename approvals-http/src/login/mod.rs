//! Who looks at the inbox: sessions, and the logins that open them.
//!
//! A session says who somebody is and how well that was proven when it was opened. It is a secret
//! in a cookie that scripts cannot read; the server keeps its hash, in memory only, so that a
//! restart ends every session.

mod link;
pub(crate) mod oidc;
mod session;

pub(crate) use link::Links;
pub(crate) use session::{
    Proof, Session, Sessions, SignedIn, cookie, from_our_pages, gone, secret,
};
