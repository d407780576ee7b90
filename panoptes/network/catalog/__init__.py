"""Where documents are kept: catalogues on SQLite and on Firestore."""
