import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import fc from "fast-check";
import { type ChannelOffer, type Message, mqttUpload } from "@kedge/protocol";
import { silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import { NumberedDelivery } from "./numbered-delivery.ts";
import { Outbox } from "./outbox.ts";

interface Received {
  readonly content: string;
  /** Its session is over: it counts only if it comes again. */
  givenUp: boolean;
}

/** A stream as the cloud knows it. Numbers grow, what comes is done in any order, and what is done is not done again. */
class ModelStream {
  readonly open = new Map<number, Received>();
  highest: number;
  /** The link that carried it last, and those opened since. */
  links: (string | undefined)[] = [];
  isUntouched = true;

  constructor(highest: number) {
    this.highest = highest;
  }

  get applied(): number {
    const [first] = this.open.keys();
    return first === undefined ? this.highest : first - 1;
  }
}

/** The cloud as the protocol has it. */
class ModelCloud {
  readonly effects: string[] = [];
  /** In the order in which they came for the first time. */
  readonly begun: string[] = [];
  #streams = new Map<string, ModelStream>();

  meet({ stream, sent, link, after }: ChannelOffer): number {
    const found = this.#streams.get(stream);
    const goesOn = found?.isUntouched === true || (after !== undefined && found?.links.includes(after) === true);
    const known = found !== undefined && goesOn ? found : new ModelStream(0);
    const fits = known.highest <= sent ? known : new ModelStream(known.applied);
    Object.assign(fits, { links: [...known.links, link], isUntouched: known.isUntouched });
    this.#streams.set(stream, fits);
    for (const received of fits.open.values()) received.givenUp = true;
    return fits.applied;
  }

  forget(): void {
    this.#streams.clear();
  }

  receive(name: string, { header, content }: Message): void {
    const { seq = 0 } = header;
    const stream = this.#stream(name);
    Object.assign(stream, { links: stream.links.slice(-1), isUntouched: false });
    for (const [number, { givenUp }] of stream.open) if (number < seq && givenUp) stream.open.delete(number);
    const known = stream.open.get(seq);
    if (known !== undefined) known.givenUp = false;
    if (seq <= stream.highest) return;
    stream.highest = seq;
    this.begun.push(String(content));
    stream.open.set(seq, { content: String(content), givenUp: false });
  }

  /** Does one of what is open. @returns the watermark then. */
  finish(name: string, which: number): number {
    const stream = this.#stream(name);
    const open = [...stream.open].filter(([, { givenUp }]) => !givenUp);
    const [number, received] = open[which % open.length] ?? [];
    if (number !== undefined && received !== undefined) {
      this.effects.push(received.content);
      stream.open.delete(number);
    }
    return stream.applied;
  }

  openCount(name: string): number {
    return this.#stream(name).open.size;
  }

  #stream(name: string): ModelStream {
    const stream = this.#streams.get(name) ?? new ModelStream(0);
    this.#streams.set(name, stream);
    return stream;
  }
}

/** Nothing here survives a loss of power, and nothing needs to. */
function open(path: string): DatabaseSync {
  const db = openDatabase({ path });
  db.exec("PRAGMA synchronous = OFF");
  return db;
}

/** A real outbox on a real database; the link between it and the cloud carries what the script lets through. */
class Rig implements Disposable {
  cloud = new ModelCloud();
  #otherCloud = new ModelCloud();
  readonly #folder = mkdtempSync(join(tmpdir(), "kedge-outbox-"));
  readonly #path = join(this.#folder, "edgecore.db");
  #db = open(this.#path);
  #commits = new GroupCommit(this.#db);
  #outbox = new Outbox(this.#db, this.#commits, silentLogger);
  #delivery: NumberedDelivery | undefined;
  #up: Message[] = [];
  #down: number[] = [];
  #said: number[] = [];
  #stream = "";
  #isOpen = { open: false };
  #next = 1;
  accepted: string[] = [];
  readonly inBackup = new Set<string>();
  #backup: string[] | undefined;

  async accept(): Promise<void> {
    const content = `m${this.#next}`;
    this.#next += 1;
    await this.#outbox.add(mqttUpload("t", content));
    this.accepted.push(content);
  }

  async connect(): Promise<void> {
    if (this.#isOpen.open) return;
    const offer = this.#outbox.offer();
    const applied = this.cloud.meet(offer);
    if (!(await this.#outbox.trusts(applied))) return;
    this.#stream = offer.stream;
    const state = { open: true };
    this.#isOpen = state;
    const up: Message[] = [];
    this.#up = up;
    this.#down = [];
    this.#said = [];
    const link = {
      get open() {
        return state.open;
      },
      send: async (message: Message) => void (state.open && up.push(message)),
      terminate: () => this.cut(),
    };
    const deps = { outbox: this.#outbox, clock: systemClock, logger: silentLogger };
    this.#delivery = new NumberedDelivery(link, applied, deps);
    this.#outbox.numbered = true;
  }

  /** The edge sends at most so many. */
  async send(count: number): Promise<void> {
    for (let left = count; left > 0 && this.#isOpen.open;) {
      const page = (await this.#delivery?.page()) ?? [];
      if (page.length === 0) return;
      for (const entry of page.slice(0, left)) {
        if (this.#delivery?.hasRoom(entry) !== true) return;
        await this.#delivery.send(entry);
        left -= 1;
      }
    }
  }

  /** So many reach the cloud. */
  arrive(count: number): void {
    for (const message of this.#up.splice(0, count)) this.cloud.receive(this.#stream, message);
  }

  /** The cloud does one of what has come. */
  finish(which: number): void {
    if (this.#isOpen.open) this.#down.push(this.cloud.finish(this.#stream, which));
  }

  /** So many of the cloud's words reach the edge. */
  hear(count: number): void {
    for (const upTo of this.#down.splice(0, count)) this.#hear(upTo);
  }

  hearAgain(): void {
    for (const upTo of this.#said.slice(-3)) this.#hear(upTo);
  }

  #hear(upTo: number): void {
    this.#said.push(upTo);
    if (this.#isOpen.open) this.#delivery?.applied(upTo);
  }

  hearNonsense(): void {
    if (this.#isOpen.open) this.#delivery?.applied(1_000_000);
  }

  async remove(): Promise<void> {
    await this.#delivery?.end();
  }

  cut(): void {
    this.#isOpen.open = false;
    this.#outbox.numbered = false;
  }

  restartCloud(): void {
    this.cut();
    this.#up = [];
    this.cloud.forget();
  }

  /** The node's next session is at another replica, which knows only what it has seen itself. */
  changeCloud(): void {
    this.cut();
    this.#up = [];
    [this.cloud, this.#otherCloud] = [this.#otherCloud, this.cloud];
  }

  get effects(): string[] {
    return [...this.cloud.effects, ...this.#otherCloud.effects];
  }

  /** As after SIGKILL: what is not on disk is gone. */
  restart(between: () => void = () => undefined): void {
    this.cut();
    this.#delivery = undefined;
    this.#db.close();
    between();
    this.#db = open(this.#path);
    this.#commits = new GroupCommit(this.#db);
    this.#outbox = new Outbox(this.#db, this.#commits, silentLogger);
  }

  backUp(): void {
    this.restart(() => copyFileSync(this.#path, `${this.#path}.backup`));
    this.#backup = [...this.accepted];
    // What becomes of these afterwards the backup cannot know.
    for (const { message } of this.#outbox.after(0)) this.inBackup.add(String(message.content));
  }

  /** What was accepted since then, and had not reached the cloud, nobody can bring back. */
  putBack(): void {
    const backup = this.#backup;
    if (backup === undefined) return;
    this.restart(() => copyFileSync(`${this.#path}.backup`, this.#path));
    this.accepted = backup.slice();
  }

  /** All gets through at last. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.connect();
      await this.send(Infinity);
      this.arrive(Infinity);
      while (this.#isOpen.open && this.cloud.openCount(this.#stream) > 0) this.finish(0);
      this.hear(Infinity);
      await this.remove();
    }
  }

  get waiting(): number {
    return this.#outbox.waiting;
  }

  [Symbol.dispose](): void {
    this.#commits[Symbol.dispose]();
    this.#db.close();
    rmSync(this.#folder, { recursive: true });
  }
}

type Step = (rig: Rig) => void | Promise<void>;
const named = (name: string, step: Step): fc.Arbitrary<Step> =>
  fc.constant(Object.assign(step, { [fc.toStringMethod]: () => name }));
const counted = (name: string, step: (rig: Rig, count: number) => void | Promise<void>): fc.Arbitrary<Step> =>
  fc
    .integer({ min: 1, max: 5 })
    .map((count) => Object.assign((rig: Rig) => step(rig, count), { [fc.toStringMethod]: () => `${name} ${count}` }));

const ordinary = [
  { weight: 5, arbitrary: named("accept", (rig) => rig.accept()) },
  { weight: 3, arbitrary: named("connect", (rig) => rig.connect()) },
  { weight: 4, arbitrary: counted("send", (rig, count) => rig.send(count)) },
  { weight: 4, arbitrary: counted("arrive", (rig, count) => rig.arrive(count)) },
  { weight: 6, arbitrary: counted("finish", (rig, which) => rig.finish(which)) },
  { weight: 3, arbitrary: counted("hear", (rig, count) => rig.hear(count)) },
  { weight: 1, arbitrary: named("hear again", (rig) => rig.hearAgain()) },
  { weight: 2, arbitrary: named("remove", (rig) => rig.remove()) },
  { weight: 1, arbitrary: named("cut", (rig) => rig.cut()) },
  { weight: 1, arbitrary: named("restart", (rig) => rig.restart()) },
];

async function play(rig: Rig, steps: readonly Step[]): Promise<void> {
  for (const step of steps) await step(rig);
  await rig.settle();
}

const byNumber = (a: string, b: string) => Number(a.slice(1)) - Number(b.slice(1));

test("W36: whatever is cut, killed or said twice, all that was accepted is done once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...ordinary), { maxLength: 60, size: "max" }), async (steps) => {
      using rig = new Rig();
      await play(rig, steps);
      assert.deepEqual(rig.cloud.begun, rig.accepted);
      assert.deepEqual(rig.cloud.effects.toSorted(byNumber), rig.accepted);
      assert.equal(rig.waiting, 0);
    }),
    { numRuns: 100 },
  );
});

test("W36: a database put back as it was loses nothing that it holds, and repeats only what it held", async () => {
  const steps = [
    ...ordinary,
    { weight: 1, arbitrary: named("back up", (rig) => rig.backUp()) },
    { weight: 1, arbitrary: named("put back", (rig) => rig.putBack()) },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...steps), { maxLength: 60, size: "max" }), async (script) => {
      using rig = new Rig();
      await play(rig, script);
      const { effects } = rig.cloud;
      const again = effects.filter((content, at) => effects.indexOf(content) !== at);
      assert.deepEqual(
        again.filter((content) => !rig.inBackup.has(content)),
        [],
      );
      assert.deepEqual(
        rig.accepted.filter((content) => !effects.includes(content)),
        [],
      );
      assert.equal(rig.waiting, 0);
    }),
    { numRuns: 100 },
  );
});

test("W36: a database put back while the cloud worked on something loses nothing, though numbers are given again", async () => {
  using rig = new Rig();
  for (let n = 0; n < 2; n += 1) await rig.accept();
  await rig.connect();
  await rig.send(2);
  rig.arrive(2);
  rig.finish(1); // m2; the cloud still works on m1
  rig.backUp();
  for (let n = 0; n < 2; n += 1) await rig.accept();
  await rig.connect();
  await rig.send(4);
  rig.arrive(4);
  for (let n = 0; n < 2; n += 1) rig.finish(1); // m3 and m4
  rig.putBack();
  for (let n = 0; n < 2; n += 1) await rig.accept(); // with the numbers of m3 and m4
  await rig.settle();
  assert.deepEqual(rig.accepted, ["m1", "m2", "m5", "m6"]);
  assert.deepEqual(rig.cloud.effects.toSorted(), ["m1", "m2", "m2", "m3", "m4", "m5", "m6"]);
});

test("W36: a database put back as it was loses nothing that it holds, whichever of two clouds it meets", async () => {
  const steps = [
    ...ordinary,
    { weight: 1, arbitrary: named("back up", (rig) => rig.backUp()) },
    { weight: 1, arbitrary: named("put back", (rig) => rig.putBack()) },
    { weight: 1, arbitrary: named("other cloud", (rig) => rig.changeCloud()) },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...steps), { maxLength: 60, size: "max" }), async (script) => {
      using rig = new Rig();
      await play(rig, script);
      assert.deepEqual(
        rig.accepted.filter((content) => !rig.effects.includes(content)),
        [],
      );
      assert.equal(rig.waiting, 0);
    }),
    { numRuns: 50 },
  );
});

test("W36: a cloud that remembers is not believed after a database put back was with another one", async () => {
  using rig = new Rig();
  const accept = async (count: number) => {
    for (let n = 0; n < count; n += 1) await rig.accept();
  };
  await accept(2);
  await rig.connect();
  await rig.send(2);
  rig.arrive(2);
  rig.backUp(); // with both in doubt
  await accept(3);
  await rig.settle();
  rig.putBack();
  rig.changeCloud();
  await accept(4); // with the numbers of what is done, and one more
  await rig.connect();
  await rig.send(6);
  rig.changeCloud();
  await rig.settle();
  assert.deepEqual(
    rig.accepted.filter((content) => !rig.effects.includes(content)),
    [],
  );
});

test("a cloud that forgets, or talks nonsense, loses nothing; what comes again comes in order", async () => {
  const steps = [
    ...ordinary,
    { weight: 1, arbitrary: named("forget", (rig) => rig.restartCloud()) },
    { weight: 1, arbitrary: named("nonsense", (rig) => rig.hearNonsense()) },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...steps), { maxLength: 60, size: "max" }), async (script) => {
      using rig = new Rig();
      await play(rig, script);
      assert.deepEqual([...new Set(rig.cloud.effects)].toSorted(byNumber), rig.accepted);
      assert.deepEqual([...new Set(rig.cloud.begun)], rig.accepted, "first arrivals are in order");
      assert.equal(rig.waiting, 0);
    }),
    { numRuns: 100 },
  );
});
