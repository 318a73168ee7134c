//! What came of it: Markdown for people, JSON for programs, and pictures.

mod chart;
mod section;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::measure::Machine;

pub(crate) use chart::Chart;
pub(crate) use section::{Cell, Section};

pub(crate) struct Report {
    machine: Machine,
    sections: Vec<Section>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Writes it all to a folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.md"), self.to_markdown())?;
        fs::write(folder.join("report.json"), format!("{:#}\n", self.to_json()?))?;
        for (name, svg) in self.sections.iter().flat_map(Section::pictures) {
            fs::write(folder.join(name), svg)?;
        }
        Ok(())
    }

    /// Shows the text, and says where it all is.
    pub(crate) fn print(&self, folder: &Path) {
        println!("{}", self.to_markdown());
        eprintln!("written to {}", folder.display());
    }

    fn to_markdown(&self) -> String {
        let Machine {
            cpu,
            cores,
            kernel,
            server_core,
            client_core,
            congestion,
            rustc,
            load_average,
        } = &self.machine;
        let mut text = format!(
            "# tickwire and its peers\n\n{cpu}, {cores} cores; Linux {kernel}; loopback, congestion \
             control {congestion}; servers on core {server_core}, load on core {client_core}; \
             {rustc}; load average before: {load_average}\n"
        );
        for section in &self.sections {
            let _ = write!(text, "\n{section}");
        }
        text
    }

    fn to_json(&self) -> Result<Value> {
        let sections = self.sections.iter().map(|it| (it.name.to_owned(), it.data.clone()));
        let sections: Map<_, _> = sections.collect();
        Ok(json!({ "machine": serde_json::to_value(&self.machine)?, "results": sections }))
    }
}
