// Makes invisible characters visible. exporter/web/formatting.py has the same characters: change both.

const INVISIBLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;

// Names come from the switch: a control character in one would rearrange the text around it.
export const visible = (text) => text.replace(INVISIBLE, (it) => `\\u${it.codePointAt(0).toString(16).padStart(4, "0")}`);
