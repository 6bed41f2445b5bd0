//! Rules about one request alone that go beyond the shapes of its members, each with the service's words.
