import { createHash } from "node:crypto";
import { apiVersionOf } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { documentV2 } from "./document-v2.ts";
import { documentV3 } from "./document-v3.ts";
import { encodeOpenApiV2 } from "./gnostic-v2.ts";

/** What is published: the resources served now, and a number that grows whenever they change. */
export interface PublishedSource {
  readonly generation: number;
  all(): Iterable<ResourceDefinition>;
}

export interface OpenApiDocument {
  readonly contentType: string;
  readonly body: Buffer;
  /** In quotes, as the header wants it. */
  readonly etag: string;
}

const JSON_TYPE = "application/json";
const V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/** The same under the name that is a valid media type; newer clients ask for this one. */
const V2_PROTOBUF_VALID = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/**
 * The OpenAPI documents of everything that is served. They are made when asked for and kept as bytes, never as objects,
 * until a definition comes or goes.
 */
export class OpenApiPublisher {
  readonly #source: PublishedSource;
  readonly #version: string;
  readonly #documents = new Map<string, OpenApiDocument>();
  #generation = -1;

  /** @param version of the API server, for the documents' `info`. */
  constructor(source: PublishedSource, version: string) {
    this.#source = source;
    this.#version = version;
  }

  /** `/openapi/v2`, in the first of the accepted forms that we have. */
  v2(accept: string): OpenApiDocument {
    const contentType = accept
      .split(",")
      .map((part) => part.split(";")[0]?.trim() ?? "")
      .find((type) => type === JSON_TYPE || type === V2_PROTOBUF || type === V2_PROTOBUF_VALID || type === "*/*");
    if (contentType === V2_PROTOBUF || contentType === V2_PROTOBUF_VALID)
      // Whichever name was asked for: clients built with a later Go cannot read a type with an `@` in it.
      return this.#kept("v2.pb", V2_PROTOBUF_VALID, () => encodeOpenApiV2(this.#documentV2()));
    return this.#kept("v2.json", JSON_TYPE, () => Buffer.from(JSON.stringify(this.#documentV2())));
  }

  /** `/openapi/v3`: where each group version's document is; the address names its content, so clients may keep it. */
  v3Index(): OpenApiDocument {
    return this.#kept("v3", JSON_TYPE, () => {
      const paths = [...this.#groupVersions().keys()].toSorted().map((path) => {
        const hash = this.v3(path)?.etag.replaceAll('"', "") ?? "";
        return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
      });
      return Buffer.from(JSON.stringify({ paths: Object.fromEntries(paths) as unknown }));
    });
  }

  /** @param path `api/v1` or `apis/<group>/<version>`. @returns undefined when nothing is served there. */
  v3(path: string): OpenApiDocument | undefined {
    const definitions = this.#groupVersions().get(path);
    if (definitions === undefined) return undefined;
    return this.#kept(`v3/${path}`, JSON_TYPE, () =>
      Buffer.from(JSON.stringify(documentV3(definitions, this.#version))),
    );
  }

  #documentV2() {
    return documentV2([...this.#source.all()], this.#version);
  }

  #groupVersions(): Map<string, ResourceDefinition[]> {
    const groups = new Map<string, ResourceDefinition[]>();
    for (const definition of this.#source.all()) {
      if (definition.published === undefined) continue;
      const path = `${definition.type.group === "" ? "api" : "apis"}/${apiVersionOf(definition.type)}`;
      const list = groups.get(path);
      if (list === undefined) groups.set(path, [definition]);
      else list.push(definition);
    }
    return groups;
  }

  #kept(key: string, contentType: string, make: () => Buffer): OpenApiDocument {
    if (this.#generation !== this.#source.generation) {
      this.#documents.clear();
      this.#generation = this.#source.generation;
    }
    const known = this.#documents.get(key);
    if (known !== undefined) return known;
    const body = make();
    const hash = createHash("sha512").update(body).digest("hex").toUpperCase();
    const document = { contentType, body, etag: `"${hash}"` };
    this.#documents.set(key, document);
    return document;
  }
}
