"""The command line: `scrollintel`. It needs the extra `cli`; what runs on the server's side needs `server`."""
