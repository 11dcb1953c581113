//! Methods with every receiver.

use std::pin::Pin;
use std::sync::Arc;

use approvals_core::requires_approval;

use crate::support::{Outcome, RunbookError, check, effect};

#[derive(Debug, Clone, PartialEq)]
struct Cluster<'a, T> {
    name: &'a str,
    node: T,
    size: u8,
}

fn cluster() -> Cluster<'static, u8> {
    Cluster {
        name: "eu",
        node: 7,
        size: 1,
    }
}

impl<'a, T: Clone + Send + Sync> Cluster<'a, T> {
    #[requires_approval(scope = "methods.shared", reason = "restart of {name}", args(name = self.name))]
    async fn shared(&self, by: u8) -> Outcome<(&T, &'a str)> {
        effect();
        assert_eq!(by, 1);
        Ok((&self.node, self.name))
    }

    #[requires_approval(scope = "methods.exclusive", args(size = self.size))]
    async fn exclusive(&mut self, by: u8) -> Outcome<&mut u8> {
        effect();
        self.size += by;
        Ok(&mut self.size)
    }

    #[requires_approval(scope = "methods.owned")]
    async fn owned(mut self, by: u8) -> Outcome<Self> {
        effect();
        self.size += by;
        Ok(self)
    }

    #[requires_approval(scope = "methods.arc", args(name = self.name))]
    async fn arc(self: Arc<Self>, by: u8) -> Outcome<u8> {
        effect();
        Ok(self.size + by)
    }

    #[requires_approval(scope = "methods.arc")]
    async fn arc_reference(self: &Arc<Self>, by: u8) -> Outcome<Arc<Self>> {
        effect();
        assert_eq!(by, 1);
        Ok(Arc::clone(self))
    }

    #[requires_approval(scope = "methods.boxed")]
    async fn boxed(self: Box<Self>, by: u8) -> Outcome<u8> {
        effect();
        Ok(self.size + by)
    }

    #[requires_approval(scope = "methods.pinned")]
    async fn pinned(self: Pin<&mut Self>, by: u8) -> Outcome<&'a str>
    where
        T: Unpin,
    {
        effect();
        self.get_mut().size += by;
        Ok("pinned")
    }

    #[requires_approval(scope = "methods.none")]
    async fn constructor(name: &'a str, node: u8) -> Outcome<Self>
    where
        T: From<u8>,
    {
        effect();
        Ok(Self {
            name,
            node: T::from(node),
            size: 1,
        })
    }
}

#[test]
fn every_receiver() {
    check((7, "eu"), || async {
        cluster().shared(1).await.map(|(node, name)| (*node, name))
    });
    check(3, || async {
        cluster().exclusive(2).await.map(|size| *size)
    });
    check(
        Cluster {
            size: 3,
            ..cluster()
        },
        || cluster().owned(2),
    );
    check(3, || Arc::new(cluster()).arc(2));
    check(cluster(), || async {
        Arc::new(cluster())
            .arc_reference(1)
            .await
            .map(|found| (*found).clone())
    });
    check(3, || Box::new(cluster()).boxed(2));
    check("pinned", || async {
        Pin::new(&mut cluster()).pinned(2).await
    });
    check(cluster(), || Cluster::<u8>::constructor("eu", 7));
}

#[test]
fn a_borrow_of_self_is_given_back() {
    check(6, || async {
        let mut cluster = cluster();
        *cluster.exclusive(2).await? += 3;
        Ok::<_, RunbookError>(cluster.size)
    });
}
