/** Bytes of a key, and 32-bit words of a key. */
const [KEY, WORDS] = [32, 8];
const LEAST_ROOM = 64;
/** A multiplier that mixes the bits of a hash (Knuth, The Art of Computer Programming 3, section 6.4). */
const MIX = 0x9e3779b1;

/**
 * The places of records by their keys of 32 bytes: a hash table with open addressing. A Map of strings takes several times as long to
 * fill and to search, and a store has 200,000 keys for 100,000 files.
 */
export class KeyTable {
  private count = 0;
  /** One key after the other, in the order in which they were added. There is room for one more, which is being searched for. */
  private words: Uint32Array;
  private bytes: Uint8Array;
  private places: Float64Array;
  /** 0 for a free slot, otherwise 1 plus the number of a key. At most half of the slots are used, so that searches are short. */
  private slots: Uint32Array;

  /** @param expected the number of keys, if it is known. More keys find room, too. */
  constructor(expected = 0) {
    const room = 2 ** Math.ceil(Math.log2(Math.max(expected + 1, LEAST_ROOM)));
    this.words = new Uint32Array(room * WORDS);
    this.bytes = new Uint8Array(this.words.buffer);
    this.places = new Float64Array(room);
    this.slots = new Uint32Array(2 * room);
  }

  get size(): number {
    return this.count;
  }

  /** Adds the key at `from`. If it is known, it gets the new place. */
  set(bytes: Uint8Array, from: number, place: number): void {
    const slot = this.find(bytes, from);
    const known = this.slots[slot] as number;
    this.places[(known || this.count + 1) - 1] = place;
    if (known !== 0) return;
    this.slots[slot] = ++this.count;
    if (this.count === this.places.length) this.grow();
  }

  /** @returns undefined if the key is not known */
  get(key: Uint8Array): number | undefined {
    const known = this.slots[this.find(key, 0)] as number;
    return known === 0 ? undefined : this.places[known - 1];
  }

  /** The keys and their places, in the order in which they were added. */
  *entries(): Generator<readonly [key: Uint8Array, place: number]> {
    for (let n = 0; n < this.count; n++) yield [this.bytes.slice(n * KEY, (n + 1) * KEY), this.places[n] as number];
  }

  /** @returns the slot of a key, or the free slot where it belongs */
  private find(bytes: Uint8Array, from: number): number {
    const end = this.count * KEY;
    for (let n = 0; n < KEY; n++) this.bytes[end + n] = bytes[from + n] as number;
    return this.slotOf(this.count);
  }

  private slotOf(key: number): number {
    const { words, slots } = this;
    let hash = 0;
    for (let w = 0; w < WORDS; w++) hash = Math.imul(hash ^ (words[key * WORDS + w] as number), MIX);
    for (let slot = (hash ^ (hash >>> 15)) & (slots.length - 1); ; slot = (slot + 1) & (slots.length - 1)) {
      const known = slots[slot] as number;
      if (known === 0 || this.isEqual(known - 1, key)) return slot;
    }
  }

  private isEqual(a: number, b: number): boolean {
    for (let w = 0; w < WORDS; w++) if (this.words[a * WORDS + w] !== this.words[b * WORDS + w]) return false;
    return true;
  }

  private grow(): void {
    const { words, places } = this;
    this.words = new Uint32Array(2 * words.length);
    this.words.set(words);
    this.bytes = new Uint8Array(this.words.buffer);
    this.places = new Float64Array(2 * places.length);
    this.places.set(places);
    this.slots = new Uint32Array(4 * places.length);
    for (let n = 0; n < this.count; n++) this.slots[this.slotOf(n)] = n + 1;
  }
}
