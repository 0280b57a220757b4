"""Shows Snapshots, Recordings and answers: terminal text and JSON."""
