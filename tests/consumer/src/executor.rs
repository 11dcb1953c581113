//! Just enough of an executor: it polls on this thread until the future is done.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A boxed future.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// Polls a future to its end.
pub(crate) fn run<T>(mut task: Task<T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match task.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Polls a future that has nothing to wait for.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("there was something to wait for"),
    }
}
