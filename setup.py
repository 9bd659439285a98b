# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent  # colcon build --symlink-install links this file
SHARE = 'share/seg_perception'

# Named one by one: found by themselves, `test` would become a global module.
PACKAGES = [
    'seg_perception',
    'seg_perception.adapt',
    'seg_perception.core',
    'seg_perception.evaluation',
    'seg_perception.inference',
    'seg_perception.io',
    'seg_perception.models',
    'seg_perception.node',
    'seg_perception.replay',
    'seg_perception.report',
    'seg_perception.risk_profiles',
    'seg_perception.synthetic',
    'seg_perception.tools',
    'training',
    'training.data',
    'training.evaluate',
    'training.experiments',  # the files of config/training
    'training.export',
    'training.losses',
    'training.models',
    'training.study',
]


def requirements(*names: str) -> list[str]:
    """The pinned packages of some files in requirements/."""
    texts = [(HERE / 'requirements' / f'{name}.txt').read_text() for name in names]
    return [line for text in texts for line in text.splitlines() if line and line[0] != '#']


def files(*patterns: str) -> list[str]:
    """Files to install, relative to the repository as setuptools wants them."""
    paths = [path for pattern in patterns for path in sorted(HERE.glob(pattern))]
    return [str(path.relative_to(HERE)) for path in paths]


RUN = requirements('run')
GPU = 'onnxruntime-gpu[cuda,cudnn]=='

setup(
    name='seg_perception',
    version=re.search(
        r"__version__ = '(.+)'", (HERE / 'seg_perception/__init__.py').read_text()
    ).group(1),
    description='Semantic segmentation, drivable area and safety risk for ROS 2 cameras',
    long_description=(HERE / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    author='The seg_perception authors',
    maintainer='The seg_perception authors',
    maintainer_email='maintainers@seg-perception.dev',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=PACKAGES,
    package_dir={'training.experiments': 'config/training'},
    package_data={
        'seg_perception': ['py.typed'],
        'seg_perception.core': ['*.csv'],
        'seg_perception.models': ['*.onnx', '*.md'],
        'seg_perception.node': ['*.xml'],
        'seg_perception.report': ['*.css', '*.html', '*.js'],
        'seg_perception.risk_profiles': ['*.yaml'],
        'training.experiments': ['*.yaml', '*/*.yaml'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/seg_perception']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/msg', files('seg_perception_msgs/msg/*.msg')),
        (f'{SHARE}/launch', files('launch/*.launch.py')),
        (f'{SHARE}/config', files('config/*.yaml', 'config/*.rviz', 'config/*.json')),
        (f'{SHARE}/config/nav2', files('config/nav2/*.yaml')),
        (f'{SHARE}/config/autoware', files('config/autoware/*.yaml')),
    ],
    zip_safe=False,
    # A ROS machine has its own numpy and OpenCV from rosdep; without ROS, pip takes an extra.
    install_requires=['setuptools'],
    extras_require={
        'cpu': RUN,
        'gpu': [line.replace('onnxruntime==', GPU) for line in RUN],
        'offline': requirements('offline'),
        'ray': [line for line in requirements('dev') if line.startswith('ray==')],
        'adapt': [line for line in requirements('train') if line.startswith('onnx==')],
        'torch': [line for line in requirements('train') if line.startswith('torch==')],
        'train': requirements('run', 'train'),
        'dev': requirements('run', 'offline', 'dev'),
        'test': ['pytest'],  # colcon test finds no tests without it
    },
    entry_points={
        'console_scripts': [
            'seg-perception = seg_perception.cli:main',
            'node = seg_perception.program:node',
            'video_source = seg_perception.program:video_source',
        ]
    },
)
