# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The class tables that ship with the package; ``class_table`` says what one is."""

from __future__ import annotations

from collections.abc import Sequence

from seg_perception.core.class_table import UNLABELED, ClassTable, Role, SegClass
from seg_perception.core.errors import ClassTableError, did_you_mean

__all__ = ['TABLES', 'UNLABELED', 'ClassTable', 'Role', 'SegClass', 'table_named']


def _table(name: str, rows: Sequence[tuple[str, tuple[int, int, int], Role]]) -> ClassTable:
    return ClassTable(
        name, tuple(SegClass(i, label, rgb, role) for i, (label, rgb, role) in enumerate(rows))
    )


# SegNet grouping of the 32 CamVid classes; colours of the CamVid label definition.
CAMVID_11 = _table(
    'camvid_11',
    [
        ('sky', (128, 128, 128), Role.SKY),
        ('building', (128, 0, 0), Role.OBSTACLE),
        ('pole', (192, 192, 128), Role.OBSTACLE),
        ('road', (128, 64, 128), Role.DRIVABLE),  # markings included
        ('pavement', (0, 0, 192), Role.WALKABLE),
        ('tree', (128, 128, 0), Role.NATURE),
        ('sign_symbol', (192, 128, 128), Role.OBSTACLE),
        ('fence', (64, 64, 128), Role.OBSTACLE),
        ('car', (64, 0, 128), Role.VEHICLE),
        ('pedestrian', (64, 64, 0), Role.VULNERABLE),
        ('bicyclist', (0, 128, 192), Role.VULNERABLE),
    ],
)

# The other protocol of CamVid, that of PIDNet and PaddleSeg: eleven of its 32 colours; what the
# grouping above adds to them is void. Road is without markings, car without lorries and buses.
CAMVID_EXACT_11 = ClassTable('camvid_exact_11', CAMVID_11.classes)

# Train ids of Cityscapes; BDD100K's semantic segmentation uses the same nineteen.
CITYSCAPES_19 = _table(
    'cityscapes_19',
    [
        ('road', (128, 64, 128), Role.DRIVABLE),
        ('sidewalk', (244, 35, 232), Role.WALKABLE),
        ('building', (70, 70, 70), Role.OBSTACLE),
        ('wall', (102, 102, 156), Role.OBSTACLE),
        ('fence', (190, 153, 153), Role.OBSTACLE),
        ('pole', (153, 153, 153), Role.OBSTACLE),
        ('traffic light', (250, 170, 30), Role.OBSTACLE),
        ('traffic sign', (220, 220, 0), Role.OBSTACLE),
        ('vegetation', (107, 142, 35), Role.NATURE),
        ('terrain', (152, 251, 152), Role.NATURE),
        ('sky', (70, 130, 180), Role.SKY),
        ('person', (220, 20, 60), Role.VULNERABLE),
        ('rider', (255, 0, 0), Role.VULNERABLE),
        ('car', (0, 0, 142), Role.VEHICLE),
        ('truck', (0, 0, 70), Role.VEHICLE),
        ('bus', (0, 60, 100), Role.VEHICLE),
        ('train', (0, 80, 100), Role.VEHICLE),
        ('motorcycle', (0, 0, 230), Role.VULNERABLE),
        ('bicycle', (119, 11, 32), Role.VULNERABLE),
    ],
)

# Mapillary Vistas v1.2: order, names and colours of its config_v1.2.json (the pixel is the row).
VISTAS_66 = _table(
    'vistas_66',
    [
        ('Bird', (165, 42, 42), Role.VULNERABLE),
        ('Ground Animal', (0, 192, 0), Role.VULNERABLE),
        ('Curb', (196, 196, 196), Role.OBSTACLE),  # to be kept off
        ('Fence', (190, 153, 153), Role.OBSTACLE),
        ('Guard Rail', (180, 165, 180), Role.OBSTACLE),
        ('Barrier', (90, 120, 150), Role.OBSTACLE),
        ('Wall', (102, 102, 156), Role.OBSTACLE),
        ('Bike Lane', (128, 64, 255), Role.WALKABLE),  # for bicycles
        ('Crosswalk - Plain', (140, 140, 200), Role.DRIVABLE),
        ('Curb Cut', (170, 170, 170), Role.WALKABLE),
        ('Parking', (250, 170, 160), Role.DRIVABLE),
        ('Pedestrian Area', (96, 96, 96), Role.WALKABLE),
        ('Rail Track', (230, 150, 140), Role.DRIVABLE),  # trams share the street
        ('Road', (128, 64, 128), Role.DRIVABLE),
        ('Service Lane', (110, 110, 110), Role.DRIVABLE),
        ('Sidewalk', (244, 35, 232), Role.WALKABLE),
        ('Bridge', (150, 100, 100), Role.OBSTACLE),
        ('Building', (70, 70, 70), Role.OBSTACLE),
        ('Tunnel', (150, 120, 90), Role.OBSTACLE),
        ('Person', (220, 20, 60), Role.VULNERABLE),
        ('Bicyclist', (255, 0, 0), Role.VULNERABLE),
        ('Motorcyclist', (255, 0, 100), Role.VULNERABLE),
        ('Other Rider', (255, 0, 200), Role.VULNERABLE),
        ('Lane Marking - Crosswalk', (200, 128, 128), Role.MARKING),
        ('Lane Marking - General', (255, 255, 255), Role.MARKING),
        ('Mountain', (64, 170, 64), Role.NATURE),
        ('Sand', (230, 160, 50), Role.NATURE),
        ('Sky', (70, 130, 180), Role.SKY),
        ('Snow', (190, 255, 255), Role.NATURE),
        ('Terrain', (152, 251, 152), Role.NATURE),
        ('Vegetation', (107, 142, 35), Role.NATURE),
        ('Water', (0, 170, 30), Role.NATURE),
        ('Banner', (255, 255, 128), Role.OBSTACLE),
        ('Bench', (250, 0, 30), Role.OBSTACLE),
        ('Bike Rack', (100, 140, 180), Role.OBSTACLE),
        ('Billboard', (220, 220, 220), Role.OBSTACLE),
        ('Catch Basin', (220, 128, 128), Role.DRIVABLE),  # driven over
        ('CCTV Camera', (222, 40, 40), Role.OBSTACLE),
        ('Fire Hydrant', (100, 170, 30), Role.OBSTACLE),
        ('Junction Box', (40, 40, 40), Role.OBSTACLE),
        ('Mailbox', (33, 33, 33), Role.OBSTACLE),
        ('Manhole', (100, 128, 160), Role.DRIVABLE),  # driven over
        ('Phone Booth', (142, 0, 0), Role.OBSTACLE),
        ('Pothole', (70, 100, 150), Role.OBSTACLE),  # to be driven round
        ('Street Light', (210, 170, 100), Role.OBSTACLE),
        ('Pole', (153, 153, 153), Role.OBSTACLE),
        ('Traffic Sign Frame', (128, 128, 128), Role.OBSTACLE),
        ('Utility Pole', (0, 0, 80), Role.OBSTACLE),
        ('Traffic Light', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Sign (Back)', (192, 192, 192), Role.OBSTACLE),
        ('Traffic Sign (Front)', (220, 220, 0), Role.OBSTACLE),
        ('Trash Can', (140, 140, 20), Role.OBSTACLE),
        ('Bicycle', (119, 11, 32), Role.VULNERABLE),
        ('Boat', (150, 0, 255), Role.VEHICLE),
        ('Bus', (0, 60, 100), Role.VEHICLE),
        ('Car', (0, 0, 142), Role.VEHICLE),
        ('Caravan', (0, 0, 90), Role.VEHICLE),
        ('Motorcycle', (0, 0, 230), Role.VULNERABLE),
        ('On Rails', (0, 80, 100), Role.VEHICLE),
        ('Other Vehicle', (128, 64, 64), Role.VEHICLE),
        ('Trailer', (0, 0, 110), Role.VEHICLE),
        ('Truck', (0, 0, 70), Role.VEHICLE),
        ('Wheeled Slow', (0, 0, 192), Role.VULNERABLE),  # prams, wheelchairs
        ('Car Mount', (32, 32, 32), Role.EGO),
        ('Ego Vehicle', (120, 10, 10), Role.EGO),
        ('Unlabeled', (0, 0, 0), Role.OTHER),
    ],
)

# Mapillary Vistas v2.0: order, names and colours of its config_v2.0.json, doubled ones included.
VISTAS_124 = _table(
    'vistas_124',
    [
        ('Bird', (165, 42, 42), Role.VULNERABLE),
        ('Ground Animal', (0, 192, 0), Role.VULNERABLE),
        ('Ambiguous Barrier', (250, 170, 31), Role.OBSTACLE),
        ('Concrete Block', (250, 170, 32), Role.OBSTACLE),
        ('Curb', (196, 196, 196), Role.OBSTACLE),  # to be kept off
        ('Fence', (190, 153, 153), Role.OBSTACLE),
        ('Guard Rail', (180, 165, 180), Role.OBSTACLE),
        ('Barrier', (90, 120, 150), Role.OBSTACLE),
        ('Road Median', (250, 170, 33), Role.OBSTACLE),
        ('Road Side', (250, 170, 34), Role.OBSTACLE),
        ('Lane Separator', (128, 128, 128), Role.OBSTACLE),
        ('Temporary Barrier', (250, 170, 35), Role.OBSTACLE),
        ('Wall', (102, 102, 156), Role.OBSTACLE),
        ('Bike Lane', (128, 64, 255), Role.WALKABLE),  # for bicycles
        ('Crosswalk - Plain', (140, 140, 200), Role.DRIVABLE),
        ('Curb Cut', (170, 170, 170), Role.WALKABLE),
        ('Driveway', (250, 170, 36), Role.DRIVABLE),
        ('Parking', (250, 170, 160), Role.DRIVABLE),
        ('Parking Aisle', (250, 170, 37), Role.DRIVABLE),
        ('Pedestrian Area', (96, 96, 96), Role.WALKABLE),
        ('Rail Track', (230, 150, 140), Role.DRIVABLE),  # trams share the street
        ('Road', (128, 64, 128), Role.DRIVABLE),
        ('Road Shoulder', (110, 110, 110), Role.DRIVABLE),
        ('Service Lane', (110, 110, 110), Role.DRIVABLE),
        ('Sidewalk', (244, 35, 232), Role.WALKABLE),
        ('Traffic Island', (128, 196, 128), Role.WALKABLE),  # where people wait
        ('Bridge', (150, 100, 100), Role.OBSTACLE),
        ('Building', (70, 70, 70), Role.OBSTACLE),
        ('Garage', (150, 150, 150), Role.OBSTACLE),
        ('Tunnel', (150, 120, 90), Role.OBSTACLE),
        ('Person', (220, 20, 60), Role.VULNERABLE),
        ('Person Group', (220, 20, 60), Role.VULNERABLE),
        ('Bicyclist', (255, 0, 0), Role.VULNERABLE),
        ('Motorcyclist', (255, 0, 100), Role.VULNERABLE),
        ('Other Rider', (255, 0, 200), Role.VULNERABLE),
        ('Lane Marking - Dashed Line', (255, 255, 255), Role.MARKING),
        ('Lane Marking - Straight Line', (255, 255, 255), Role.MARKING),
        ('Lane Marking - Zigzag Line', (250, 170, 29), Role.MARKING),
        ('Lane Marking - Ambiguous', (250, 170, 28), Role.MARKING),
        ('Lane Marking - Arrow (Left)', (250, 170, 26), Role.MARKING),
        ('Lane Marking - Arrow (Other)', (250, 170, 25), Role.MARKING),
        ('Lane Marking - Arrow (Right)', (250, 170, 24), Role.MARKING),
        ('Lane Marking - Arrow (Split Left or Straight)', (250, 170, 22), Role.MARKING),
        ('Lane Marking - Arrow (Split Right or Straight)', (250, 170, 21), Role.MARKING),
        ('Lane Marking - Arrow (Straight)', (250, 170, 20), Role.MARKING),
        ('Lane Marking - Crosswalk', (255, 255, 255), Role.MARKING),
        ('Lane Marking - Give Way (Row)', (250, 170, 19), Role.MARKING),
        ('Lane Marking - Give Way (Single)', (250, 170, 18), Role.MARKING),
        ('Lane Marking - Hatched (Chevron)', (250, 170, 12), Role.MARKING),
        ('Lane Marking - Hatched (Diagonal)', (250, 170, 11), Role.MARKING),
        ('Lane Marking - Other', (255, 255, 255), Role.MARKING),
        ('Lane Marking - Stop Line', (255, 255, 255), Role.MARKING),
        ('Lane Marking - Symbol (Bicycle)', (250, 170, 16), Role.MARKING),
        ('Lane Marking - Symbol (Other)', (250, 170, 15), Role.MARKING),
        ('Lane Marking - Text', (250, 170, 15), Role.MARKING),
        ('Lane Marking (only) - Dashed Line', (255, 255, 255), Role.MARKING),
        ('Lane Marking (only) - Crosswalk', (255, 255, 255), Role.MARKING),
        ('Lane Marking (only) - Other', (255, 255, 255), Role.MARKING),
        (
            'Lane Marking (only) - Test',
            (255, 255, 255),
            Role.MARKING,
        ),  # text; spelt so in the file
        ('Mountain', (64, 170, 64), Role.NATURE),
        ('Sand', (230, 160, 50), Role.NATURE),
        ('Sky', (70, 130, 180), Role.SKY),
        ('Snow', (190, 255, 255), Role.NATURE),
        ('Terrain', (152, 251, 152), Role.NATURE),
        ('Vegetation', (107, 142, 35), Role.NATURE),
        ('Water', (0, 170, 30), Role.NATURE),
        ('Banner', (255, 255, 128), Role.OBSTACLE),
        ('Bench', (250, 0, 30), Role.OBSTACLE),
        ('Bike Rack', (100, 140, 180), Role.OBSTACLE),
        ('Catch Basin', (220, 128, 128), Role.DRIVABLE),  # driven over
        ('CCTV Camera', (222, 40, 40), Role.OBSTACLE),
        ('Fire Hydrant', (100, 170, 30), Role.OBSTACLE),
        ('Junction Box', (40, 40, 40), Role.OBSTACLE),
        ('Mailbox', (33, 33, 33), Role.OBSTACLE),
        ('Manhole', (100, 128, 160), Role.DRIVABLE),  # driven over
        ('Parking Meter', (20, 20, 255), Role.OBSTACLE),
        ('Phone Booth', (142, 0, 0), Role.OBSTACLE),
        ('Pothole', (70, 100, 150), Role.OBSTACLE),  # to be driven round
        ('Signage - Advertisement', (250, 171, 30), Role.OBSTACLE),
        ('Signage - Ambiguous', (250, 172, 30), Role.OBSTACLE),
        ('Signage - Back', (250, 173, 30), Role.OBSTACLE),
        ('Signage - Information', (250, 174, 30), Role.OBSTACLE),
        ('Signage - Other', (250, 175, 30), Role.OBSTACLE),
        ('Signage - Store', (250, 176, 30), Role.OBSTACLE),
        ('Street Light', (210, 170, 100), Role.OBSTACLE),
        ('Pole', (153, 153, 153), Role.OBSTACLE),
        ('Pole Group', (153, 153, 153), Role.OBSTACLE),
        ('Traffic Sign Frame', (128, 128, 128), Role.OBSTACLE),
        ('Utility Pole', (0, 0, 80), Role.OBSTACLE),
        ('Traffic Cone', (210, 60, 60), Role.OBSTACLE),
        ('Traffic Light - General (Single)', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Light - Pedestrians', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Light - General (Upright)', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Light - General (Horizontal)', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Light - Cyclists', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Light - Other', (250, 170, 30), Role.OBSTACLE),
        ('Traffic Sign - Ambiguous', (192, 192, 192), Role.OBSTACLE),
        ('Traffic Sign (Back)', (192, 192, 192), Role.OBSTACLE),
        ('Traffic Sign - Direction (Back)', (192, 192, 192), Role.OBSTACLE),
        ('Traffic Sign - Direction (Front)', (220, 220, 0), Role.OBSTACLE),
        ('Traffic Sign (Front)', (220, 220, 0), Role.OBSTACLE),
        ('Traffic Sign - Parking', (0, 0, 196), Role.OBSTACLE),
        ('Traffic Sign - Temporary (Back)', (192, 192, 192), Role.OBSTACLE),
        ('Traffic Sign - Temporary (Front)', (220, 220, 0), Role.OBSTACLE),
        ('Trash Can', (140, 140, 20), Role.OBSTACLE),
        ('Bicycle', (119, 11, 32), Role.VULNERABLE),
        ('Boat', (150, 0, 255), Role.VEHICLE),
        ('Bus', (0, 60, 100), Role.VEHICLE),
        ('Car', (0, 0, 142), Role.VEHICLE),
        ('Caravan', (0, 0, 90), Role.VEHICLE),
        ('Motorcycle', (0, 0, 230), Role.VULNERABLE),
        ('On Rails', (0, 80, 100), Role.VEHICLE),
        ('Other Vehicle', (128, 64, 64), Role.VEHICLE),
        ('Trailer', (0, 0, 110), Role.VEHICLE),
        ('Truck', (0, 0, 70), Role.VEHICLE),
        ('Vehicle Group', (0, 0, 142), Role.VEHICLE),
        ('Wheeled Slow', (0, 0, 192), Role.VULNERABLE),  # prams, wheelchairs
        ('Water Valve', (170, 170, 170), Role.DRIVABLE),  # driven over
        ('Car Mount', (32, 32, 32), Role.EGO),
        ('Dynamic', (111, 74, 0), Role.OTHER),  # may move, may be a bag
        ('Ego Vehicle', (120, 10, 10), Role.EGO),
        ('Ground', (81, 0, 81), Role.OTHER),  # unclear whether to drive on
        ('Static', (111, 111, 0), Role.OBSTACLE),
        ('Unlabeled', (0, 0, 0), Role.OTHER),
    ],
)

# Drivable masks of BDD100K since 2020; the older files order the three differently.
BDD100K_DRIVABLE_3 = _table(
    'bdd100k_drivable_3',
    [
        ('direct', (219, 94, 86), Role.DRIVABLE),  # the own lane
        ('alternative', (86, 211, 219), Role.DRIVABLE),  # lanes one may change to
        ('background', (0, 0, 0), Role.OTHER),
    ],
)

# Udacity's CrowdAI set has boxes of three kinds; what is in none of them is background.
CROWDAI_4 = _table(
    'crowdai_4',
    [
        ('background', (0, 0, 0), Role.OTHER),
        ('car', (0, 0, 142), Role.VEHICLE),
        ('truck', (0, 0, 70), Role.VEHICLE),
        ('pedestrian', (220, 20, 60), Role.VULNERABLE),
    ],
)

# COCO's things in the order of YOLO's exports; the colours are ours. Nothing in it is drivable.
COCO_80 = _table(
    'coco_80',
    [
        ('person', (166, 75, 75), Role.VULNERABLE),
        ('bicycle', (75, 101, 166), Role.VULNERABLE),
        ('car', (187, 242, 109), Role.VEHICLE),
        ('motorcycle', (242, 24, 215), Role.VULNERABLE),
        ('airplane', (17, 166, 141), Role.VEHICLE),
        ('bus', (166, 97, 17), Role.VEHICLE),
        ('train', (142, 109, 242), Role.VEHICLE),
        ('truck', (115, 242, 109), Role.VEHICLE),
        ('boat', (166, 75, 105), Role.VEHICLE),
        ('traffic light', (17, 110, 166), Role.OBSTACLE),
        ('fire hydrant', (224, 242, 24), Role.OBSTACLE),
        ('stop sign', (197, 24, 242), Role.OBSTACLE),
        ('parking meter', (75, 166, 120), Role.OBSTACLE),
        ('bench', (166, 93, 75), Role.OBSTACLE),
        ('bird', (109, 120, 242), Role.VULNERABLE),
        ('cat', (106, 242, 24), Role.VULNERABLE),
        ('dog', (166, 17, 116), Role.VULNERABLE),
        ('horse', (17, 160, 166), Role.VULNERABLE),
        ('sheep', (242, 209, 109), Role.VULNERABLE),
        ('cow', (170, 109, 242), Role.VULNERABLE),
        ('elephant', (75, 166, 90), Role.VULNERABLE),
        ('bear', (166, 17, 36), Role.VULNERABLE),
        ('zebra', (24, 116, 242), Role.VULNERABLE),
        ('giraffe', (179, 242, 24), Role.VULNERABLE),
        ('backpack', (165, 75, 166), Role.OBSTACLE),
        ('umbrella', (75, 166, 139), Role.OBSTACLE),
        ('handbag', (242, 164, 109), Role.OBSTACLE),
        ('tie', (51, 24, 242), Role.OBSTACLE),
        ('suitcase', (42, 166, 17), Role.OBSTACLE),
        ('frisbee', (166, 17, 86), Role.OBSTACLE),
        ('skis', (109, 209, 242), Role.OBSTACLE),
        ('snowboard', (242, 236, 109), Role.OBSTACLE),
        ('sports ball', (135, 75, 166), Role.OBSTACLE),
        ('kite', (17, 166, 72), Role.OBSTACLE),
        ('baseball bat', (242, 41, 24), Role.OBSTACLE),
        ('baseball glove', (24, 71, 242), Role.OBSTACLE),
        ('skateboard', (121, 166, 75), Role.OBSTACLE),
        ('surfboard', (166, 75, 147), Role.OBSTACLE),
        ('tennis racket', (109, 242, 230), Role.OBSTACLE),
        ('bottle', (242, 159, 24), Role.OBSTACLE),
        ('wine glass', (66, 17, 166), Role.OBSTACLE),
        ('cup', (17, 166, 22), Role.OBSTACLE),
        ('fork', (242, 109, 143), Role.OBSTACLE),
        ('knife', (109, 182, 242), Role.OBSTACLE),
        ('spoon', (151, 166, 75), Role.OBSTACLE),
        ('bowl', (146, 17, 166), Role.OBSTACLE),
        ('banana', (24, 242, 150), Role.OBSTACLE),
        ('apple', (242, 86, 24), Role.OBSTACLE),
        ('sandwich', (75, 75, 166), Role.OBSTACLE),
        ('orange', (102, 166, 75), Role.OBSTACLE),
        ('broccoli', (242, 109, 188), Role.OBSTACLE),
        ('carrot', (24, 216, 242), Role.OBSTACLE),
        ('hot dog', (166, 140, 17), Role.OBSTACLE),
        ('pizza', (96, 17, 166), Role.OBSTACLE),
        ('donut', (109, 242, 141), Role.OBSTACLE),
        ('cake', (242, 109, 116), Role.OBSTACLE),
        ('chair', (75, 106, 166), Role.OBSTACLE),
        ('couch', (111, 166, 17), Role.OBSTACLE),
        ('potted plant', (242, 24, 226), Role.OBSTACLE),
        ('bed', (24, 242, 195), Role.OBSTACLE),
        ('dining table', (166, 119, 75), Role.OBSTACLE),
        ('toilet', (93, 75, 166), Role.OBSTACLE),
        ('tv', (121, 242, 109), Role.OBSTACLE),
        ('laptop', (242, 24, 108), Role.OBSTACLE),
        ('mouse', (17, 117, 166), Role.OBSTACLE),
        ('remote', (161, 166, 17), Role.OBSTACLE),
        ('keyboard', (208, 109, 242), Role.OBSTACLE),
        ('cell phone', (109, 242, 169), Role.OBSTACLE),
        ('microwave', (166, 89, 75), Role.OBSTACLE),
        ('oven', (17, 37, 166), Role.OBSTACLE),
        ('toaster', (117, 242, 24), Role.OBSTACLE),
        ('sink', (242, 24, 181), Role.OBSTACLE),
        ('refrigerator', (75, 166, 165), Role.OBSTACLE),
        ('book', (166, 138, 75), Role.OBSTACLE),
        ('clock', (163, 109, 242), Role.OBSTACLE),
        ('vase', (24, 242, 49), Role.OBSTACLE),
        ('scissors', (166, 17, 43), Role.OBSTACLE),
        ('teddy bear', (17, 86, 166), Role.OBSTACLE),
        ('hair drier', (210, 242, 109), Role.OBSTACLE),
        ('toothbrush', (235, 109, 242), Role.OBSTACLE),
    ],
)

TABLES: dict[str, ClassTable] = {
    table.name: table
    for table in (
        CAMVID_11,
        CAMVID_EXACT_11,
        CITYSCAPES_19,
        VISTAS_66,
        VISTAS_124,
        BDD100K_DRIVABLE_3,
        CROWDAI_4,
        COCO_80,
    )
}


def table_named(name: str) -> ClassTable:
    """
    The shipped class table of that name.

    :raises ClassTableError: when there is none; the message offers the nearest names.
    """
    if name in TABLES:
        return TABLES[name]
    expected = 'one of ' + ', '.join(TABLES)
    raise ClassTableError('class table', repr(name), expected, did_you_mean(name, TABLES))
