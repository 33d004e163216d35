"""How a recorded graph looks: DOT, SVG and notebook cards; nothing here runs or changes a program."""
