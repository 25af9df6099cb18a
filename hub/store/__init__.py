"""The hub's database: tables, migrations, transactions. One code base, SQLite and PostgreSQL."""
