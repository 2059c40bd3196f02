"""A real server that loses capacity for a while, and real clients under several policies: what each still gets done."""
