"""The data sets around the pixels of the samples: who, what and where, all of it invented."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    UltrasoundMultiFrameImageStorage,
)

PIXEL_SPACING = 0.1  # mm
SLICE_THICKNESS = 1.0  # mm
DATE, TIME = "20240102", "101500"


def common(modality: str, sop_class_uid: str, description: str) -> Dataset:
    """Patient, study, series and equipment modules."""
    return items(
        SOPClassUID=sop_class_uid,
        PatientName="Synthetic^Tomosynthesis",
        PatientID="SYNTHETIC",
        PatientBirthDate="19700101",
        PatientSex="F",
        StudyDate=DATE,
        StudyTime=TIME,
        AccessionNumber="",
        ReferringPhysicianName="",
        StudyID="1",
        StudyDescription="Synthetic study",
        Modality=modality,
        SeriesDescription=description,
        SeriesDate=DATE,
        SeriesTime=TIME,
        ContentDate=DATE,
        ContentTime=TIME,
        AcquisitionDateTime=DATE + TIME,
        Manufacturer="framecache",
        ManufacturerModelName="synthetic",
        DeviceSerialNumber="0",
        SoftwareVersions="1",
        PatientOrientation=["A", "F"],
        BurnedInAnnotation="YES",
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        PixelRepresentation=0,
    )


def breast(sop_class_uid: str, description: str) -> Dataset:
    """What the two kinds of mammography image share: a left cranio-caudal view for presentation."""
    dataset = common("MG", sop_class_uid, description)
    dataset.update(
        items(
            PresentationIntentType="FOR PRESENTATION",
            ImageLaterality="L",
            BodyPartExamined="BREAST",
            WindowCenter=1100,
            WindowWidth=2200,
            RescaleIntercept=0,
            RescaleSlope=1,
            RescaleType="US",
            PresentationLUTShape="IDENTITY",
            ViewCodeSequence=code("399162004", "SCT", "cranio-caudal"),
        )
    )
    return dataset


def tomosynthesis(number_of_frames: int) -> Dataset:
    """Breast Tomosynthesis Image (PS3.3 A.55) with its functional groups."""
    dataset = breast(BreastTomosynthesisImageStorage, "L CC tomosynthesis")
    dataset.update(
        items(
            ImageType=["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"],
            ContentQualification="RESEARCH",
            VolumetricProperties="VOLUME",
            VolumeBasedCalculationTechnique="TOMOSYNTHESIS",
            PositionReferenceIndicator="",
            NumberOfFrames=number_of_frames,
            SharedFunctionalGroupsSequence=Sequence([_shared_groups()]),
            PerFrameFunctionalGroupsSequence=Sequence(map(_frame_groups, range(1, number_of_frames + 1))),
        )
    )
    return dataset


def mammogram() -> Dataset:
    """Digital Mammography X-Ray Image for presentation (PS3.3 A.27), a single frame."""
    dataset = breast(DigitalMammographyXRayImageStorageForPresentation, "L CC mammogram")
    dataset.update(
        items(
            ImageType=["DERIVED", "PRIMARY"],
            NumberOfFrames=1,
            ViewPosition="CC",
            PositionerType="MAMMOGRAPHIC",
            ImagerPixelSpacing=[PIXEL_SPACING, PIXEL_SPACING],
        )
    )
    return dataset


def ultrasound(number_of_frames: int, photometric_interpretation: str) -> Dataset:
    """Ultrasound Multi-frame Image (PS3.3 A.7), a colour cine of 25 images a second."""
    dataset = common("US", UltrasoundMultiFrameImageStorage, "Colour cine")
    dataset.update(
        items(
            ImageType=["ORIGINAL", "PRIMARY"],
            NumberOfFrames=number_of_frames,
            FrameTime=40.0,
            FrameIncrementPointer=0x00181063,  # Frame Time
            SamplesPerPixel=3,
            PlanarConfiguration=0,
            PhotometricInterpretation=photometric_interpretation,
        )
    )
    return dataset


def _shared_groups() -> Dataset:
    return items(
        PixelMeasuresSequence=[items(PixelSpacing=[PIXEL_SPACING, PIXEL_SPACING], SliceThickness=SLICE_THICKNESS)],
        PlaneOrientationSequence=[items(ImageOrientationPatient=[0, -1, 0, 0, 0, -1])],
        PixelValueTransformationSequence=[items(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")],
        FrameVOILUTSequence=[items(WindowCenter=1100, WindowWidth=2200)],
        FrameAnatomySequence=[items(FrameLaterality="L", AnatomicRegionSequence=code("76752008", "SCT", "Breast"))],
        XRay3DFrameTypeSequence=[items(FrameType=["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"])],
    )


def _frame_groups(frame_number: int) -> Dataset:
    return items(
        FrameContentSequence=[
            items(StackID="1", InStackPositionNumber=frame_number, DimensionIndexValues=[1, frame_number])
        ],
        PlanePositionSequence=[items(ImagePositionPatient=[SLICE_THICKNESS * frame_number, 0, 0])],
    )


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [items(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def items(**elements: object) -> Dataset:
    """A data set of the elements named by their keywords."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
