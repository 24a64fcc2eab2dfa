// The routes of the plugin. Where this file lies says where they are, so that a proxy's prefix does not matter.

export const FRAME_CACHE = new URL("../", import.meta.url);
export const ORTHANC = new URL("../../", import.meta.url);
const PATIENCE = 20000; // ms

/** The server answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Ask and return the answer, whatever its status. Throws where there is none. */
export function request(url, options = {}) {
  return fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options });
}

/** The JSON of an answer. Throws Refused for any other status than 2xx. */
export async function json(url, options) {
  const answer = await request(url, options);
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, reason(text) ?? `${answer.status} ${answer.statusText}`.trim());
  return JSON.parse(text);
}

/** What an error's JSON says; Orthanc's own has `Message` and sometimes `Details`. */
export function reason(text) {
  try {
    const body = JSON.parse(text);
    const error = body.Error ?? body;
    return typeof error === "string" ? error : (error.Details || error.Message) ?? null;
  } catch {
    return null;
  }
}

/** GET of one of the plugin's routes. */
export const get = (path, query = {}) => {
  const url = new URL(path, FRAME_CACHE);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return json(url);
};

const absent = new Set();

/** Ask for all routes again: another configuration may be in force. */
export const forgetAbsent = () => absent.clear();

/** As `get`, but null where this server has no such route; it is not asked for again. */
export async function getIfAny(path, query) {
  if (absent.has(path)) return null;
  try {
    return await get(path, query);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    absent.add(path);
    return null;
  }
}

/** POST to one of the plugin's routes. The header is one that no page of another site can send. */
export const act = (path) => json(new URL(path, FRAME_CACHE), { method: "POST", headers: { "X-Frame-Cache": "1" } });
