// Orthanc's own routes, asked with the reader's login: everyone sees only the names that Orthanc lets them see.

import { day, personName } from "./format.js";
import { json, ORTHANC, Refused } from "./server.js";

const MOST = 50;
const ASKED = ["ModalitiesInStudy", "NumberOfStudyRelatedInstances"];
const MEMORY = 300000; // ms that a name is taken to be still true
const ORTHANC_ID = /^[0-9a-f]{8}(-[0-9a-f]{8}){4}$/;
const UID = /^[0-9]+(\.[0-9]+)+$/;
const DATE = /^(\d{4})-?(\d{2})-?(\d{2})$/;

export class Archive {
  #known = new Map();

  /** Who and what a study is, or null where Orthanc does not say. */
  study(id) {
    const known = this.#known.get(id);
    if (known && Date.now() - known.since < MEMORY) return known.study;
    const study = this.#ask(id);
    this.#known.set(id, { study, since: Date.now() });
    // What failed for once is asked for again.
    study.catch(() => this.#known.delete(id));
    return study;
  }

  /** The studies of instances, by the instances' Orthanc IDs, as far as Orthanc tells: one question, and one a series. */
  async studiesOf(instanceIds) {
    if (!instanceIds.length) return new Map();
    const body = JSON.stringify({ Resources: instanceIds, Level: "Instance" });
    const instances = await json(new URL("tools/bulk-content", ORTHANC), { method: "POST", body });
    const series = new Map(instances.map((one) => [one.ParentSeries, null]));
    await Promise.all([...series.keys()].map(async (id) => series.set(id, await this.#studyOf(id))));
    return new Map(instances.map((one) => [one.ID, series.get(one.ParentSeries)]));
  }

  async #studyOf(seriesId) {
    try {
      return described(await json(new URL(`series/${seriesId}/study`, ORTHANC)));
    } catch {
      return null;
    }
  }

  /** What a series is called, or "" where Orthanc does not say. */
  async series(id) {
    try {
      const { MainDicomTags: tags } = await json(new URL(`series/${id}`, ORTHANC));
      return [tags.Modality, tags.SeriesDescription].filter(Boolean).join(" ");
    } catch {
      return "";
    }
  }

  async #ask(id) {
    try {
      return described(await json(new URL(`studies/${id}?requested-tags=${ASKED.join(";")}`, ORTHANC)));
    } catch (error) {
      if (error instanceof Refused && error.status < 500) return null;
      throw error;
    }
  }

  /** The Orthanc IDs of the studies that `text` may mean, at most 50, and what they are. */
  async find(text) {
    if (ORTHANC_ID.test(text)) return [text];
    const found = new Map();
    for (const answers of await Promise.all(queries(text).map(find))) {
      for (const answer of answers) found.set(answer.ID, described(answer));
    }
    for (const [id, study] of found) this.#known.set(id, { study: Promise.resolve(study), since: Date.now() });
    const newest = [...found].sort(([, one], [, other]) => other.date.localeCompare(one.date));
    return newest.slice(0, MOST).map(([id]) => id);
  }
}

/** What may be meant: a UID, else a part of the name, the patient's ID or the accession number, or a day. */
export function queries(text) {
  if (UID.test(text)) return [{ StudyInstanceUID: text }];
  // A backslash would be a list of values, a blank stands between the parts of a name.
  const part = `*${text.replaceAll("\\", "").trim().replace(/[\s^,]+/g, "*")}*`;
  const meant = ["PatientName", "PatientID", "AccessionNumber"].map((tag) => ({ [tag]: part }));
  return DATE.test(text) ? [...meant, { StudyDate: text.replace(DATE, "$1$2$3") }] : meant;
}

function find(query) {
  const body = { Level: "Study", Query: query, Expand: true, Limit: MOST, RequestedTags: ASKED };
  return json(new URL("tools/find", ORTHANC), { method: "POST", body: JSON.stringify(body) });
}

function described({ MainDicomTags: study = {}, PatientMainDicomTags: patient = {}, RequestedTags: asked = {} }) {
  return {
    uid: study.StudyInstanceUID ?? "",
    name: personName(patient.PatientName),
    patientId: patient.PatientID ?? "",
    date: day(study.StudyDate),
    description: study.StudyDescription ?? "",
    instances: Number(asked.NumberOfStudyRelatedInstances) || null,
    modalities: (asked.ModalitiesInStudy ?? "").replaceAll("\\", ", "),
  };
}
