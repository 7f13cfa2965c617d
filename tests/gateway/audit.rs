//! Every exchange leaves its lines.

use crate::support::client::{Client, KEY, chat, post};
use crate::support::gateway::TestGateway;
use crate::support::upstream;
use crate::support::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_leaves_two_lines_and_the_chain_holds() {
    let upstream = Upstream::answering(upstream::json(&upstream::completion(&["fine"]))).await;
    let mut gateway = TestGateway::start(upstream).await;
    let bodies = [chat("hello"), chat("canary"), "{}".to_owned(), chat("a doubtful thing")];
    let mut exchanges = Vec::new();
    for body in &bodies {
        let mut client = Client::connect(gateway.data).await;
        client.send(post(body)).await;
        let answer = client.answer().await.expect("an answer");
        exchanges.push(answer.header("x-wardgate-exchange").expect("an id").to_owned());
    }
    gateway.drain().await;
    let (opened, closed) = (gateway.audit_lines("opened"), gateway.audit_lines("closed"));
    assert_eq!((opened.len(), closed.len()), (4, 4));
    // A delivered exchange closes after its answer, so the next may overtake its line.
    let of = |exchange: &String| closed.iter().find(|line| line["exchange"] == exchange.as_str());
    let closed: Vec<_> = exchanges.iter().map(|exchange| of(exchange).expect("closed")).collect();
    for line in &closed {
        assert_eq!(line["tenant"], "acme");
        assert_eq!(line["route"], "chat.completions");
    }
    let outcomes: Vec<_> = closed.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["delivered", "refused", "refused", "delivered"]);
    assert_eq!(closed[1]["prompt"]["decision"], "block");
    assert_eq!(closed[1]["prompt"]["rules"][0]["action"], "block");
    assert_eq!(closed[0]["guard"].as_str().map(|guard| guard.starts_with("scripted@")), Some(true));
    let text = gateway.audit_text();
    for secret in ["hello", "canary", "doubtful", KEY] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    let report = wardgate::audit::verify(gateway.audit_folder(), None).expect("the chain holds");
    assert!(report.interrupted.is_empty());
}
