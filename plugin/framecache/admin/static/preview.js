// A frame of a study, as a viewer's request would bring it, and where it came from.

import { byId, element, write } from "./element.js";
import { count, counted, duration } from "./format.js";
import { ORTHANC, reason, request, get } from "./server.js";

const SIDE = 768; // pixels
const SOURCES = {
  hit: "the picture is from the cache",
  miss: "the picture was drawn for this request",
  bypass: "the picture was drawn by Orthanc itself",
};

export class Preview {
  #dialog = byId("preview");
  #archive;
  #roots = [];
  #uids = {};
  #series = [];
  #instances = [];
  #wanted = 0;

  constructor(archive) {
    this.#archive = archive;
    byId("series").addEventListener("change", () => this.#chooseSeries(byId("series").value));
    byId("instance").addEventListener("change", () => this.#chooseInstance(byId("instance").value));
    byId("frame").addEventListener("input", () => this.#draw());
    this.#dialog.addEventListener("close", () => this.#clear());
  }

  /** Where DICOMweb may be: below the prefix of this page, or where the server's status says that it is seen. */
  useRoots({ Root: root, PublicRoot: publicRoot }) {
    this.#roots = [new URL(root.slice(1), ORTHANC), ...(publicRoot === root ? [] : [new URL(publicRoot, ORTHANC)])];
  }

  /** Show the first frame of a study that is in the cache. */
  async open(id, title) {
    write(byId("preview-title"), title);
    this.#clear();
    this.#dialog.showModal();
    await this.#orTellWhy(async () => {
      const study = await get(`studies/${id}`);
      this.#uids.study = study.StudyInstanceUID;
      this.#series = study.SeriesList;
      const names = await Promise.all(this.#series.map((one) => this.#archive.series(one.ID)));
      fill(byId("series"), this.#series, (one, index) => `${names[index] || index + 1}: ${counted(one.Frames, "frame")}`);
      if (this.#series.length) await this.#chooseSeries(this.#series[0].ID);
    });
  }

  async #chooseSeries(id) {
    await this.#orTellWhy(async () => {
      const series = await get(`series/${id}`);
      this.#uids.series = series.SeriesInstanceUID;
      this.#instances = series.InstancesList;
      fill(byId("instance"), this.#instances, (one, index) => `${index + 1}: ${count(one.CachedFrames)} of ${count(one.NumberOfFrames)} cached`);
      if (this.#instances.length) this.#chooseInstance(this.#instances[0].ID);
    });
  }

  #chooseInstance(id) {
    const instance = this.#instances.find((one) => one.ID === id);
    this.#uids.instance = instance.SOPInstanceUID;
    byId("frame").max = instance.NumberOfFrames || 1;
    byId("frame").value = Math.ceil((instance.NumberOfFrames || 1) / 2);
    return this.#draw();
  }

  async #draw() {
    const [number, wanted] = [byId("frame").value, ++this.#wanted];
    write(byId("frame-number"), `${number} of ${byId("frame").max}`);
    await this.#orTellWhy(async () => {
      const { study, series, instance } = this.#uids;
      const path = `studies/${study}/series/${series}/instances/${instance}/frames/${number}/rendered`;
      const begun = performance.now();
      const answer = await this.#ask(`${path}?viewport=${SIDE},${SIDE}`);
      if (!answer.ok) throw new Error(reason(await answer.text()) ?? `${answer.status} ${answer.statusText}`);
      const picture = await answer.blob();
      if (wanted === this.#wanted) this.#paint(picture, answer.headers, (performance.now() - begun) / 1000);
    });
  }

  async #ask(path) {
    let answer;
    for (const root of this.#roots) {
      answer = await request(new URL(path, root), { headers: { Accept: "image/jpeg" } });
      if (answer.status !== 404) break;
    }
    return answer;
  }

  #paint(picture, headers, seconds) {
    URL.revokeObjectURL(byId("picture").src);
    byId("picture").src = URL.createObjectURL(picture);
    byId("picture").alt = `Frame ${byId("frame").value}`;
    byId("picture").hidden = false;
    write(byId("picture-missing"), "");
    const source = SOURCES[headers.get("X-Frame-Cache")] ?? SOURCES.bypass;
    write(byId("origin"), `Frame ${byId("frame").value}: ${source}; it arrived in ${duration(seconds)}.`);
  }

  async #orTellWhy(work) {
    try {
      await work();
    } catch (error) {
      byId("picture").hidden = true;
      write(byId("picture-missing"), `No picture: ${error.message}`);
      write(byId("origin"), "");
    }
  }

  #clear() {
    this.#wanted++;
    this.#uids = {};
    URL.revokeObjectURL(byId("picture").src);
    byId("picture").removeAttribute("src");
    byId("picture").hidden = true;
    for (const id of ["picture-missing", "origin", "frame-number"]) write(byId(id), "");
    for (const id of ["series", "instance"]) byId(id).replaceChildren();
  }
}

/** The options of a select; with one there is nothing to choose. */
function fill(select, items, label) {
  select.replaceChildren(...items.map((item, index) => element("option", { value: item.ID, textContent: label(item, index) })));
  select.disabled = items.length < 2;
}
