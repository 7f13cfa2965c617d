//! Rules, and the decision they lead to. Knows no HTTP and no model.
