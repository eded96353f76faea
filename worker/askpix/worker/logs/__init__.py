"""What a worker says on standard error: lines for people, or JSON for programs, without secrets."""
