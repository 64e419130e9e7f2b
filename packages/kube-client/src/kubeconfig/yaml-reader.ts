import { KubeconfigError } from "./kubeconfig-error.ts";

type Mapping = Readonly<Record<string, unknown>>;

/** Reads members of parsed YAML and says which file and member is wrong when one is. */
export class YamlReader {
  readonly file: string;
  readonly #path: string;
  readonly #value: Mapping;

  constructor(file: string, value: unknown, path = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new KubeconfigError(`${file}: ${path === "" ? "the document" : path} is not a mapping`, {
        code: "Malformed",
        file,
      });
    this.file = file;
    this.#path = path;
    this.#value = value as Mapping;
  }

  /** The path of a member, for messages. */
  at(member: string): string {
    return this.#path === "" ? member : `${this.#path}.${member}`;
  }

  text(member: string): string | undefined {
    const value = this.#value[member];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw this.#malformed(member, "text");
    return value;
  }

  requiredText(member: string): string {
    const value = this.text(member);
    if (value === undefined)
      throw new KubeconfigError(`${this.file}: ${this.at(member)} is missing`, { code: "Incomplete", file: this.file });
    return value;
  }

  flag(member: string): boolean {
    const value = this.#value[member] ?? false;
    if (typeof value !== "boolean") throw this.#malformed(member, "true or false");
    return value;
  }

  mapping(member: string): YamlReader | undefined {
    const value = this.#value[member];
    return value === undefined || value === null ? undefined : new YamlReader(this.file, value, this.at(member));
  }

  list(member: string): YamlReader[] {
    return this.#array(member).map((item, index) => new YamlReader(this.file, item, `${this.at(member)}[${index}]`));
  }

  textList(member: string): string[] {
    return this.#array(member).map((item) => {
      if (typeof item !== "string") throw this.#malformed(member, "a list of texts");
      return item;
    });
  }

  #array(member: string): unknown[] {
    const value = this.#value[member] ?? [];
    if (!Array.isArray(value)) throw this.#malformed(member, "a list");
    return value;
  }

  #malformed(member: string, expected: string): KubeconfigError {
    return new KubeconfigError(`${this.file}: ${this.at(member)} is not ${expected}`, {
      code: "Malformed",
      file: this.file,
    });
  }
}
