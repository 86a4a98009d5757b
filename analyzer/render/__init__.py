"""Documents as text for people and machines: text, Markdown, HTML, JSON, SARIF, GitHub annotations."""
