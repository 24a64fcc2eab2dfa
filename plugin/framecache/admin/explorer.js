// Orthanc Explorer is jQuery Mobile's, below app/: what is added before a page is created is drawn as its own.
$("#lookup").live("pagebeforecreate", function () {
  var link = $("<a>").attr({ href: "../frame-cache/app/index.html", rel: "external", "data-role": "button", "data-icon": "star" });
  $(this).find("div[data-role=header] .ui-btn-left").append(link.text("Frame cache"));
});

$("#study").live("pagebeforecreate", function () {
  var link = $("<a>").attr({ href: "#", id: "study-frame-cache" }).text("Open in the frame cache");
  $(this).find("#study-access").append($("<li>").attr("data-icon", "star").append(link));
});

$("#study-frame-cache").live("click", function (event) {
  event.preventDefault();
  window.location.assign("../frame-cache/app/index.html?study=" + encodeURIComponent($.mobile.pageData.uuid));
});
