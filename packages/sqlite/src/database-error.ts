import { CodedError } from "@kedge/runtime";

type DatabaseErrorDetails =
  | { readonly code: "DatabaseInUse"; readonly path: string }
  | { readonly code: "DatabaseCorrupt"; readonly path: string }
  | { readonly code: "CannotOpenDatabase"; readonly path: string }
  | { readonly code: "SchemaTooNew"; readonly component: string; readonly version: number }
  | { readonly code: "WriteQueueFull"; readonly pendingMax: number }
  | { readonly code: "DatabaseClosed" };

export class DatabaseError extends CodedError<DatabaseErrorDetails> {
  override readonly retryable = this.details.code === "DatabaseInUse" || this.details.code === "WriteQueueFull";
}

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What SQLite said while `path` was opened, as an error that says what to do. */
export function openFailure(path: string, error: unknown): DatabaseError {
  const number = Number((error as { errcode?: unknown }).errcode ?? 0) & 0xff;
  if (number === SQLITE_BUSY)
    return new DatabaseError(
      `database ${path} is in use by another process: stop that one first`,
      { code: "DatabaseInUse", path },
      { cause: error },
    );
  if (number === SQLITE_CORRUPT || number === SQLITE_NOTADB)
    return new DatabaseError(
      `database ${path} is damaged or no database at all: move it away, or restore it from a backup`,
      { code: "DatabaseCorrupt", path },
      { cause: error },
    );
  const reason = error instanceof Error ? error.message : String(error);
  return new DatabaseError(
    `database ${path} cannot be opened: ${reason}`,
    { code: "CannotOpenDatabase", path },
    { cause: error },
  );
}
