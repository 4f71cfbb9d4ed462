// Diff: which words of a text are not those of another. Knows words and white space.

const WORDS = /\s+|[\p{L}\p{N}\p{M}_]+|[^\s\p{L}\p{N}\p{M}_]/gu;
const LONGEST = 4000; // words that are compared; beyond that the middle counts as changed

// Runs { text, changed } that make up `after`.
export function changes(before, after) {
  const [old, now] = [words(before), words(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const middle = now.slice(head, now.length - tail);
  const kept = common(old.slice(head, old.length - tail), middle);
  const runs = [{ text: now.slice(0, head).join(""), changed: false }];
  middle.forEach((word, n) => add(runs, word, !kept.has(n)));
  add(runs, now.slice(now.length - tail).join(""), false);
  return runs.filter((run) => run.text);
}

function words(text) {
  return text.match(WORDS) ?? [];
}

function add(runs, text, changed) {
  const last = runs.at(-1);
  if (last.changed === changed) last.text += text;
  else runs.push({ text, changed });
}

// Places in `now` of a longest common subsequence.
function common(old, now) {
  const kept = new Set();
  if (old.length * now.length > LONGEST ** 2 / 4) return kept;
  const wide = now.length + 1;
  const lengths = new Uint16Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i * wide + j] =
        old[i] === now[j]
          ? lengths[(i + 1) * wide + j + 1] + 1
          : Math.max(lengths[(i + 1) * wide + j], lengths[i * wide + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < old.length && j < now.length;) {
    if (old[i] === now[j]) {
      kept.add(j);
      i++;
      j++;
    } else if (lengths[(i + 1) * wide + j] >= lengths[i * wide + j + 1]) i++;
    else j++;
  }
  return kept;
}
